import type { Logger } from '../../src/telemetry/logger.ts'

/** A logger that keeps `level: message`, and the fields beside. */
export class RecordedLog implements Logger {
  readonly lines: string[] = []
  readonly fields: object[] = []
  readonly error = this.#method('error')
  readonly warn = this.#method('warn')
  readonly info = this.#method('info')
  readonly debug = () => {}

  child(): Logger {
    return this
  }

  isLevelEnabled(): boolean {
    return true
  }

  #method(level: string): Logger['info'] {
    return (fields, message = fields as string) => {
      this.lines.push(`${level}: ${message}`)
      this.fields.push(fields as object)
    }
  }
}
