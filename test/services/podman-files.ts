import { dirname, join, resolve } from 'node:path'

/**
 * What the first process of podman's namespaces runs. A shell stays that process, because it reaps
 * what is left to it, which podman does not: it would take a dead conmon for a living one.
 */
export const SCRIPT = `set -e
cd "$(dirname "$0")"
export HOME="$PWD" CONTAINERS_CONF="$PWD/containers.conf"
export CONTAINERS_STORAGE_CONF="$PWD/storage.conf" CONTAINERS_REGISTRIES_CONF="$PWD/registries.conf"
mkdir -p .config/containers
cp policy.json .config/containers
# These paths cannot be set. Empty at each start, they make it look like a machine's.
mkdir -p /var/lib/cni
mount -t tmpfs fezz /run
mount -t tmpfs fezz /var/lib/cni
for needed in runc conmon iptables ip; do
  command -v "$needed" >/dev/null || { echo "there is no $needed" >&2; exit 1; }
done
"$1" --runtime "$(command -v runc)" --conmon "$(command -v conmon)" \\
  system service --time 0 "unix://$PWD/podman.sock" &
wait $!
`

/**
 * Without systemd, which a machine for tests may lack, and as Docker in what a container is given.
 * The limits are named because podman's own may be higher than what its user may set.
 */
export function podmanSettings(folder: string, network: string, program: string): string {
  const plugins = ['/usr/lib/cni', resolve(dirname(program), '../usr/lib/cni')]
  return `[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
log_driver = "k8s-file"
http_proxy = false
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "cni"
network_config_dir = ${JSON.stringify(join(folder, 'networks'))}
cni_plugin_dirs = ${JSON.stringify(plugins)}
default_network = ${JSON.stringify(network)}
`
}

/** Images and containers last; what is known of those that run is in a folder that does not. */
export function storageSettings(folder: string): string {
  return `[storage]
driver = "overlay"
graphroot = ${JSON.stringify(join(folder, 'storage'))}
runroot = "/run/storage"
`
}

/** A registry on this machine, at whatever port, may speak plain HTTP, as Docker has it too. */
export const REGISTRIES = `unqualified-search-registries = []
[[registry]]
location = "127.0.0.1"
insecure = true
`

/** Images need no signature. */
export const POLICY = JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] })

/**
 * The default network: containers reach each other and this machine, which publishes their ports.
 * Nothing else: no rule of the machine's firewall is added but those of the ports.
 */
export function networkSettings(name: string, subnet: string): string {
  const bridge = {
    type: 'bridge',
    bridge: name,
    isGateway: true,
    hairpinMode: true,
    ipam: {
      type: 'host-local',
      routes: [{ dst: '0.0.0.0/0' }],
      ranges: [[{ subnet, gateway: subnet.replace('0/24', '1') }]],
    },
  }
  const portmap = { type: 'portmap', capabilities: { portMappings: true } }
  return JSON.stringify({ cniVersion: '0.4.0', name, plugins: [bridge, portmap] })
}
