import { describe } from 'vitest'
import { hasTool } from '../../executors/process/tools.ts'
import { describeContained } from './contained.ts'

const hasSandbox = await hasTool('bwrap', 'bubblewrap')

describe.skipIf(!hasSandbox)('with bubblewrap', () => describeContained('sandbox'))
