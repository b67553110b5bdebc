import { INSERTIONS } from './corpus.ts'
import type { Random } from './random.ts'

type Mutation = (random: Random, text: string, at: number) => string

const MUTATIONS: readonly Mutation[] = [
  flipBit,
  setByte,
  insert,
  insert,
  remove,
  duplicateLine,
  splice,
]

/** `text` with one thing changed. */
export function mutate(random: Random, text: string): string {
  if (text === '') return text
  return random.pick(MUTATIONS)(random, text, place(random, text))
}

/** Any place, and half the time one at a line's end, where most of the meaning is. */
function place(random: Random, text: string): number {
  const at = random.below(text.length)
  if (random.oneIn(2)) return at
  const end = text.indexOf('\r\n', at)
  return end === -1 ? at : Math.max(0, Math.min(text.length - 1, end - 1 + random.below(4)))
}

function flipBit(random: Random, text: string, at: number): string {
  return replaced(text, at, text.charCodeAt(at) ^ (1 << random.below(8)))
}

function setByte(random: Random, text: string, at: number): string {
  return replaced(text, at, random.below(256))
}

function insert(random: Random, text: string, at: number): string {
  return text.slice(0, at) + random.pick(INSERTIONS) + text.slice(at)
}

function remove(random: Random, text: string, at: number): string {
  return text.slice(0, at) + text.slice(at + 1 + random.pick([0, 0, 1, 3, 10]))
}

function duplicateLine(_random: Random, text: string, at: number): string {
  const start = text.lastIndexOf('\n', at - 1) + 1
  const newLine = text.indexOf('\n', at)
  const end = newLine === -1 ? text.length : newLine + 1
  return text.slice(0, end) + text.slice(start, end) + text.slice(end)
}

/** Goes on from another place of the same bytes: the head of one request, the end of another. */
function splice(random: Random, text: string, at: number): string {
  return text.slice(0, at) + text.slice(place(random, text))
}

function replaced(text: string, at: number, byte: number): string {
  return text.slice(0, at) + String.fromCharCode(byte) + text.slice(at + 1)
}
