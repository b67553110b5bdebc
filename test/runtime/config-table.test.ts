import { describe, expect, it } from 'vitest'
import { resolveConfig } from '../../src/runtime/config.ts'
import { SETTING_NAMES, settingsTable } from '../../src/runtime/settings.ts'

describe('the table of settings', () => {
  it('has a row for each, and one for the config file', () => {
    const rows = settingsTable()
    expect(rows.map(row => row.name)).toEqual(['config', ...SETTING_NAMES])
    expect(rows.find(row => row.name === 'maxInFlight')).toEqual({
      name: 'maxInFlight',
      flag: '--max-in-flight',
      placeholder: '<number>',
      env: 'FEZZ_MAX_IN_FLIGHT',
      default: '0',
      description: 'Requests at once, more get 503; 0: no bound.',
    })
    for (const row of rows) expect(row.description).toMatch(/\.$/)
  })

  it('names variables that are understood, and defaults that may be written so', () => {
    for (const row of settingsTable()) {
      if (row.name === 'config' || row.name === 'env') continue
      const env = { [row.env]: row.default }
      const flags = { [row.name]: row.default }
      expect(resolveConfig({}, { env })).toEqual(resolveConfig())
      expect(resolveConfig({}, { flags })).toEqual(resolveConfig())
    }
  })
})
