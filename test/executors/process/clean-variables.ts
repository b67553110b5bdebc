/** The variables of this process but for those that would set a host up. */
export function withoutFezzVariables(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith('FEZZ_'))
  return Object.fromEntries(entries)
}
