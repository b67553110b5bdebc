/** What is used of commander, so that one file names it. */
export { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
