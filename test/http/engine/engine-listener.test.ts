import { EngineListener } from '../../../src/http/engine/engine-listener.ts'
import { describeListener } from '../../contract/listener-contract.ts'

describeListener('EngineListener', options => new EngineListener(options))
