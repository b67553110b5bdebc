import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FezzError } from '../../errors.ts'
import { PROGRAM_PROTOCOLS } from '../../function/execution.ts'
import * as z from '../../schema.ts'
import { check, oneOf, says, strict } from '../../schema.ts'
import { RUNTIME_FILE } from './markers.ts'

const words = z.array(z.string(), { error: says('write a list of words') })
const commands = z.array(words, { error: says('write a list of commands') })
const variables = z.record(z.string(), z.string(), { error: says('write variables by name') })
const name = z.string({ error: says('write text') })

const marker = z.pipe(
  z.transform((input: unknown) => (typeof input === 'string' ? { file: input } : input)),
  strict(
    {
      file: name,
      field: z.exactOptional(name),
      unlessFile: z.exactOptional(name),
    },
    'write the name of a file',
  ),
)
const markers = z.array(marker, { error: says('write a list of file names') })

const runtimeSchema = strict(
  {
    /** Each of these makes a function of a folder. */
    markers: z._default(markers, []),
    /** These tell the runtime of a folder that a fezz.json makes a function. */
    weakMarkers: z._default(markers, []),
    /**
     * The first line that `version` prints is `${version}`, the second, if there is one, the folder
     * `${home}` that the tool is in. A change of what it prints builds anew.
     */
    tool: strict({ version: words, missing: name }, 'write { "version": […], "missing": "…" }'),
    /** Names of files and folders, at any depth, that are not copied. */
    leaveOut: z._default(words, []),
    /**
     * Made once for all functions where the files `of` (paths from the folder's top, `*` for any part
     * of a name) are alike, in the folder `${packages}`.
     */
    packages: z.exactOptional(
      strict(
        {
          of: words,
          build: commands,
          /** Not for a function that has this file or folder. */
          unless: z.exactOptional(name),
        },
        'write { "of": […], "build": […] }',
      ),
    ),
    /** Run in the copy of the sources, one after the other. */
    build: z._default(commands, []),
    /** Variables of the host that builds see, `*` at the end standing for any; and others. */
    buildEnv: z._default(
      strict(
        { inherit: z._default(words, []), set: z._default(variables, {}) },
        'write { "inherit": […], "set": {…} }',
      ),
      { inherit: [], set: {} },
    ),
    /** What runs the function; what a build step has left in .fezz/arguments.json comes behind it. */
    command: z._default(words, []),
    protocol: z._default(oneOf(PROGRAM_PROTOCOLS), 'http'),
    /** Other folders that the command reads; beside the runtime's own and that of the packages. */
    reads: z._default(words, []),
    /** Variables that the command needs. */
    env: z._default(variables, {}),
    /** What is different in a container. */
    container: z.exactOptional(
      strict(
        { image: name, command: z.exactOptional(words), env: z.exactOptional(variables) },
        'write { "image": "…" }',
      ),
    ),
    /** What to do about a function for which .fezz/arguments.json is missing; absent: it may be. */
    noCommand: z.exactOptional(name),
  },
  'write an object with markers, tool, build and command',
)

/** What runtime.json says, every default filled in. */
type Description = z.Output<typeof runtimeSchema>

/** How programs of one language are built and run: a folder of `runtimes/`. */
export interface Runtime extends Description {
  readonly name: string
  /** Absolute. */
  readonly folder: string
}

/**
 * Reads a runtime's folder.
 *
 * @throws FezzError `INVALID_CONFIG`, naming file, field and value
 */
export async function readRuntime(folder: string, name: string): Promise<Runtime> {
  const file = join(folder, RUNTIME_FILE)
  const refuse = (problem: string) => new FezzError('INVALID_CONFIG', `${file}: ${problem}`)
  let input: unknown
  try {
    input = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw refuse(`cannot be read: ${(error as Error).message}`)
  }
  return { ...check(runtimeSchema, input, refuse), name, folder }
}
