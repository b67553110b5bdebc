import { describeContained } from './contained.ts'

describeContained('thread')
