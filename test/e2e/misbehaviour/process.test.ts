import { describeContained } from './contained.ts'

describeContained('process')
