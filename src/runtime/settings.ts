import { EXECUTOR_KINDS } from '../function/execution.ts'
import { LISTENER_KINDS } from '../http/listener.ts'
import { LOG_FORMATS, LOG_LEVELS } from '../telemetry/logger.ts'
import * as kind from './setting-kinds.ts'

/**
 * Every setting of a host: the one place that names, defaults, checks and describes it. Its
 * environment variable, its flag, its key in the config file, the setter of `HhrfConfig`, the field
 * of `HostConfig` and its row in the README all follow from its line here.
 */
export const SETTINGS = {
  host: kind.host('0.0.0.0', 'Address to listen on; 0.0.0.0 is every IPv4 address of the machine.'),
  port: kind.integer(8080, 'Port to listen on; 0 takes a free one.', { max: 65_535 }),
  workers: kind.processes(
    1,
    'Processes by which `fezz serve` serves its port, each with limits of its own; auto: one for each core.',
  ),
  stuckTimeout: kind.duration(
    '10s',
    'Time in which its event loop stands still after which one of several workers is replaced; 0: never.',
    { zero: true },
  ),
  idleTtl: kind.duration('300s', 'Time without use after which a function is unloaded.'),
  requestTimeout: kind.duration(
    '30s',
    "Time for a whole request to arrive (408). The time to answer it is the function's own `timeout`.",
  ),
  maxBodySize: kind.size('10MiB', 'Largest request body (413).'),
  listener: kind.choice(
    LISTENER_KINDS,
    'engine',
    "Who reads and writes HTTP: Fezz's own engine, or node:http.",
  ),
  unixSocket: kind.text('<path>', 'Unix socket to listen on in place of `host` and `port`.'),
  tlsCert: kind.text('<file>', 'Certificates (PEM) to serve HTTPS with.'),
  tlsKey: kind.text('<file>', 'Private key (PEM) of those.'),
  tlsClientCa: kind.text(
    '<file>',
    'Certificates (PEM) that clients must be known by (mutual TLS).',
  ),
  maxHeaderSize: kind.size('16KiB', 'Largest request head (431).', { minBytes: 1024 }),
  maxHeaders: kind.integer(256, 'Most header fields of a request (431).', { min: 1 }),
  maxTargetSize: kind.size('8KiB', 'Longest request target (414).', { minBytes: 256 }),
  minBodyRate: kind.size(
    '512',
    'Least bytes a second of a request body that is being read (408); 0: no bound.',
  ),
  responseStallTimeout: kind.duration(
    '60s',
    'Time in which a client must take some of its response, else it is cut; 0: no bound.',
    { zero: true },
  ),
  maxConnections: kind.integer(0, 'Open connections at once, more get 503; 0: no bound.'),
  maxAddressConnections: kind.integer(
    0,
    'Those of one address, which may be a proxy with many clients; 0: no bound.',
  ),
  maxConnectionRequests: kind.integer(
    0,
    'Requests of one connection, which ends with the last; 0: no bound.',
  ),
  maxPipelined: kind.integer(
    16,
    'Requests of one connection at once; more wait unread. With the engine only.',
    { min: 1 },
  ),
  maxInFlight: kind.integer(0, 'Requests at once, more get 503; 0: no bound.'),
  maxQueue: kind.integer(
    100,
    "Requests that wait for a place in a function's `maxConcurrency`, more get 429.",
  ),
  queueTimeout: kind.duration('1s', 'How long a request waits for such a place (429).', {
    zero: true,
  }),
  executor: kind.choice(
    EXECUTOR_KINDS,
    'in-process',
    'Where JavaScript functions run that name no `executor`.',
  ),
  functionTimeout: kind.duration('30s', 'Timeout of functions that declare none (504).'),
  maxFunctionTimeout: kind.duration('0s', 'Longest `timeout` of a function; 0: no bound.', {
    zero: true,
  }),
  functionConcurrency: kind.integer(
    0,
    '`maxConcurrency` of functions that declare none; 0: no bound.',
  ),
  functionMemory: kind.size(
    '0',
    'Memory of one instance in a thread, process or container whose function declares none; 0: no bound.',
  ),
  maxFunctionMemory: kind.size('0', 'Largest `memory` of a function; 0: no bound.'),
  maxFunctionInstances: kind.integer(0, 'Most instances of one function; 0: no bound.'),
  warmPool: kind.integer(1, 'Runners of each kind that are kept ready for the next load.'),
  killGrace: kind.duration(
    '1s',
    'Time for an instance to answer after a deadline before it is ended.',
    { zero: true },
  ),
  runDir: kind.folder('', "Folder of what runs; by default in the system's temporary folder."),
  controlGroup: kind.text(
    '<path>',
    'Control group that this host may divide among processes; by default one is found where the host manages it alone.',
  ),
  containerEngine: kind.text(
    '<address>',
    'Where containers run: a socket or address of Docker or podman. By default DOCKER_HOST, or the usual sockets.',
  ),
  nodeImage: kind.text(
    '<image>',
    'Image that runs JavaScript functions in containers.',
    /^[a-z\d]\S{0,511}$/i,
    'an image such as "registry.example.com/team/app:1.2"',
    'docker.io/library/node:26-slim',
  ),
  registryConfig: kind.text(
    '<file>',
    "JSON file with credentials of image registries, as Docker's config.json.",
  ),
  headersTimeout: kind.duration('20s', 'Time for a request head to arrive (408).'),
  keepAliveTimeout: kind.duration(
    '60s',
    "Idle time of a kept connection; more than a proxy's in front.",
  ),
  drainDelay: kind.duration(
    '1s',
    'Time at shutdown in which connections still take a last request.',
    { zero: true },
  ),
  drainTimeout: kind.duration('30s', 'Time at shutdown for requests in flight to finish.', {
    zero: true,
  }),
  loadTimeout: kind.duration('30s', 'Time for a function to load, onLoad included.'),
  unloadTimeout: kind.duration('10s', "Time for a function's onUnload."),
  maxLoaded: kind.integer(
    0,
    'Functions loaded at once, the least recently used go first; 0: no bound.',
  ),
  maxHeap: kind.shareOrSize(
    '85%',
    'Heap use above which unused functions are unloaded: a share of its limit, or a size; 0: off.',
  ),
  trustedProxies: kind.networks(
    'Proxies whose X-Forwarded-* headers are believed: addresses, CIDR blocks, or unix for those on a Unix socket.',
  ),
  cacheDir: kind.folder('.fezz/cache', 'Folder of the built functions.'),
  logLevel: kind.choice(LOG_LEVELS, 'info', 'Least level that is logged.'),
  logFormat: kind.choice(
    LOG_FORMATS,
    'auto',
    'Log lines; auto is pretty in a terminal and json elsewhere.',
  ),
  enableHealth: kind.toggle(true, 'Answer /_health.'),
  enableMetrics: kind.toggle(true, 'Answer /_metrics.'),
  store: kind.storeUrl(
    'Store of the control plane: etcd://host:2379, consul://host:8500 or file:///folder.',
  ),
  storeUser: kind.text('<name>', 'User of etcd.'),
  storePassword: kind.secret('Password of that user.'),
  storeToken: kind.secret('Token of Consul.'),
  storeCa: kind.text('<file>', 'Certificates (PEM) that the store is trusted by.'),
  storeCert: kind.text('<file>', 'Certificate (PEM) by which the store knows this client.'),
  storeKey: kind.text('<file>', 'Private key (PEM) of that certificate.'),
  storeTimeout: kind.duration('3s', 'Time for the store to answer a call.'),
  artifacts: kind.text(
    '<address>',
    'Artifact store: a folder or an http(s) address. With a file:// store by default its folder `.artifacts`.',
  ),
  artifactCacheSize: kind.size('1GiB', 'Disk space for fetched artifacts; 0: no bound.'),
  stateDir: kind.folder(
    '.fezz/state',
    'Folder of the snapshot that a start without the store uses.',
  ),
  nodeId: kind.text(
    '<id>',
    'Name of this host in the store. By default the name of the machine and the port.',
    /^[a-z\d][\w.-]{0,127}$/i,
    'letters, digits, ".", "_" and "-"',
  ),
  nodeAddress: kind.text(
    '<address>',
    'IP address at which proxies reach this host. By default `host`, or the first of the machine.',
  ),
  nodeZone: kind.text('<zone>', 'Where this host is: proxies prefer their own zone.'),
  nodeLabels: kind.labels('Labels of this host, by which functions are placed.'),
  nodeCapacity: kind.integer(1, 'Share of the load, relative to other hosts.', {
    min: 1,
    max: 128,
  }),
  nodeTtl: kind.duration('15s', 'Time after which the store forgets a host that has died.'),
  xdsHost: kind.host('127.0.0.1', 'Address on which Envoy finds its configuration (xDS).'),
  xdsPort: kind.optionalPort('Port of that; 0 takes a free one. By default it is not opened.'),
  envoyHost: kind.host('0.0.0.0', 'Address on which Envoy is told to take requests.'),
  envoyPort: kind.integer(80, 'Port of that.', { min: 1, max: 65_535 }),
  env: kind.variables('Variables that every function sees.'),
} as const satisfies Record<string, kind.Setting>

export type SettingName = keyof typeof SETTINGS
type Settings = typeof SETTINGS

/** What a program or a config file may give for a setting. */
export type SettingInput<Name extends SettingName> = Settings[Name]['default']

/** Settings as people write them; what is left out has its default. */
export type ConfigInput = { readonly [Name in SettingName]?: SettingInput<Name> | undefined }

type Field<Name extends string, Unit extends string> = Unit extends 'Bytes'
  ? `${Name extends `${infer Stem}Size` ? Stem : Name}Bytes`
  : `${Name}${Unit}`

/**
 * Every setting checked, with its default filled in, frozen. Durations are in milliseconds and end
 * in `Ms`, sizes in bytes and end in `Bytes` (`maxBodySize` is `maxBodyBytes`).
 */
export type HostConfig = {
  readonly [Name in SettingName as Field<Name, Settings[Name]['unit']>]: ReturnType<
    Settings[Name]['parse']
  >
}

/** The name of a setting in {@link HostConfig}. */
export function fieldOf(name: SettingName): keyof HostConfig {
  const { unit } = SETTINGS[name]
  const stem = unit === 'Bytes' ? name.replace(/Size$/, '') : name
  return `${stem}${unit}` as keyof HostConfig
}

/** The names of all settings, in the order of the table. */
export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[]

/** Flag and variable that name a config file; it is where settings come from, so none itself. */
export const CONFIG_FILE = { name: 'config', env: 'FEZZ_CONFIG', flag: '--config' } as const

/** Variables of functions: `FEZZ_ENV_API_KEY=x` gives them `API_KEY`. */
export const VARIABLE_PREFIX = 'FEZZ_ENV_'

/** The environment variable of a setting: `idleTtl` is `FEZZ_IDLE_TTL`. */
export function envOf(name: SettingName): string {
  return name === 'env' ? `${VARIABLE_PREFIX}<NAME>` : `FEZZ_${words(name, '_').toUpperCase()}`
}

/** The flag of a setting: `idleTtl` is `--idle-ttl`. */
export function flagOf(name: SettingName): string {
  return `--${words(name, '-')}`
}

/** A row of the table of settings in the README and of the flags in the help text. */
export interface SettingRow {
  readonly name: string
  readonly flag: string
  /** What follows the flag, e.g. `<duration>`; `undefined` for a switch. */
  readonly placeholder: string | undefined
  readonly env: string
  readonly default: string
  readonly description: string
}

/** All settings as text, for people. */
export function settingsTable(): SettingRow[] {
  return [
    {
      ...CONFIG_FILE,
      placeholder: '<file>',
      default: '',
      description: 'JSON file with settings under these names; `env` holds variables.',
    },
    ...SETTING_NAMES.map(name => {
      const { placeholder, description, default: byDefault } = SETTINGS[name]
      return {
        name,
        flag: flagOf(name),
        placeholder,
        env: envOf(name),
        default: typeof byDefault === 'object' ? '' : String(byDefault),
        description,
      }
    }),
  ]
}

function words(name: string, separator: string): string {
  return name.replace(/[A-Z]/g, letter => `${separator}${letter.toLowerCase()}`)
}
