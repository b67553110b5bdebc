import { describeContained } from './contained.ts'

describeContained('in-process')
