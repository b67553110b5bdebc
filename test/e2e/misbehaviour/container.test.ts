import { describe } from 'vitest'
import { hasPodman } from '../../services/podman-service.ts'
import { describeContained } from './contained.ts'

const isThere = await hasPodman()

describe.skipIf(!isThere)('with podman', () => describeContained('container'))
