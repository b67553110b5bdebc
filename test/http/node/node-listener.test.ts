import { NodeListener } from '../../../src/http/node/node-listener.ts'
import { describeListener } from '../../contract/listener-contract.ts'

describeListener('NodeListener', options => new NodeListener(options))
