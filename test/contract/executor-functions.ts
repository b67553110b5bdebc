/** The functions that the executor contract runs: each class by its name. */
export { Mirror, Producer } from './executor/functions/bodies.ts'
export {
  Mortal,
  MortalLoad,
  MortalUnload,
  Spinning,
  SpinningLoad,
} from './executor/functions/deaths.ts'
export {
  EndlessUnload,
  FaultyConstructor,
  FaultyLoad,
  FaultyUnload,
} from './executor/functions/hooks.ts'
export { Answers, Echo, Faulty, Gathering } from './executor/functions/messages.ts'
export { Background, Talkative, Waiting } from './executor/functions/surroundings.ts'
