import { DatabaseSync } from 'node:sqlite'
import type { LifecycleContext } from 'fezz'
import { FezzFunction } from 'fezz/decorators'

/** Opens a database when it is loaded and closes it when it is unloaded: curl http://localhost:8080/visits/ada */
@FezzFunction('visits', '/visits/:name', { idleTtl: '30s', description: 'Counts visits in SQLite' })
export class Visits {
  #database: DatabaseSync | undefined

  onLoad({ env, log }: LifecycleContext): void {
    this.#database = new DatabaseSync(env.VISITS_DB ?? ':memory:')
    this.#database.exec('CREATE TABLE IF NOT EXISTS visits (name TEXT PRIMARY KEY, count INTEGER)')
    log.info('database opened')
  }

  fetch(_request: Request, { params }: { params: Readonly<Record<string, string>> }): Response {
    const row = this.#database
      ?.prepare(
        'INSERT INTO visits VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1 RETURNING *',
      )
      .get(params.name ?? '')
    return Response.json(row)
  }

  onUnload({ log }: LifecycleContext): void {
    this.#database?.close()
    log.info('database closed')
  }
}
