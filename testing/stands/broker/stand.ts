import { spawn, type ChildProcess } from 'node:child_process'
import { parseCidr, parseInterfaceAddress, type Cidr } from 'wireguard-ts/address'
import type { InterfaceConfig } from 'wireguard-ts/config'
import { WireGuardInterface } from 'wireguard-ts/interface'
import { generateKeyPair, type PrivateKey, type PublicKey } from 'wireguard-ts/key'
import { run, runOrFail, type RunResult } from 'wireguard-ts/run'
import { startUserspaceDaemon, type UserspaceDaemon } from 'wireguard-ts/userspace-daemon'
import { createLinuxDataPath } from '@freehold/appliance/broker/datapath/linux-data-path'
import { defaultClosedPorts, type DataPath, type DataPathSettings, type Lease } from '@freehold/appliance/broker/types'
import { until } from '@freehold/appliance/dev/supervisor'

/** Someone on the Internet, and the brokers' pools. */
export const far6 = '2620:fe::fe'
export const pools = ['2a01:7e00:a00::/48', '2a01:7e00:b00::/48'].map(parseCidr)

export interface BrokerMachine {
  namespace: string
  /** Address of the WireGuard endpoint. */
  endpoint: string
  settings: DataPathSettings & { namespace: string }
  publicKey: PublicKey
  dataPath: DataPath
  /** As a crash and a reboot would: interface, rules, routes and forwarding are gone, the store is not. */
  wipe(): Promise<void>
}

export interface HostMachine {
  namespace: string
  vm: string
  keys: { privateKey: PrivateKey; publicKey: PublicKey }
  /** Interface name and daemon of the tunnel to each broker. */
  tunnels: { name: string; daemon: UserspaceDaemon }[]
}

export interface BrokerStand {
  inet: string
  brokers: BrokerMachine[]
  hosts: HostMachine[]
  in(namespace: string, program: string, ...args: string[]): Promise<RunResult>
  ip(namespace: string, line: string): Promise<void>
  /** The lease of a host at a broker, /64 number `n` of the pool. */
  lease(host: number, broker?: number, more?: Partial<Lease>): Lease
  /** Tunnel, routes and the VM's address for a lease. */
  connect(host: number, broker?: number): Promise<string>
  spawn(namespace: string, program: string, ...args: string[]): { child: ChildProcess; text(): string; end(): Promise<void> }
  /** Packets that a rule of the broker with this comment counted. */
  counted(broker: number, comment: string): Promise<number>
  pings(from: string, to: string, ...more: string[]): Promise<boolean>
  stop(): Promise<void>
}

/** Internet, brokers, hosts and their VMs as network namespaces joined by veth; tunnels and rules are real. */
export async function startBrokerStand(options: { brokers: number; hosts: number; mtu?: number }): Promise<BrokerStand> {
  const id = process.pid % 100_000
  const name = (what: string): string => `fb${id}${what}`
  const inet = name('i')
  const made: string[] = []
  const brokers: BrokerMachine[] = []
  const hosts: HostMachine[] = []
  const children: { end(): Promise<void> }[] = []
  const inside = (namespace: string, program: string, ...args: string[]) => run(program, args, { namespace })
  const ip = async (namespace: string, line: string): Promise<void> =>
    void (await runOrFail(`ip ${line}`, 'ip', ['-n', namespace, ...line.split(' ')]))
  const set = async (namespace: string, ...settings: string[]): Promise<void> =>
    void (await runOrFail('set the kernel', 'sysctl', ['-qw', ...settings], { namespace }))

  async function space(namespace: string): Promise<void> {
    await runOrFail('make a namespace', 'ip', ['netns', 'add', namespace])
    made.push(namespace)
    await ip(namespace, 'link set lo up')
  }

  async function cable(a: string, aEnd: string, b: string, bEnd: string): Promise<void> {
    await ip(a, `link add ${aEnd} type veth peer name ${bEnd} netns ${b}`)
    for (const [at, end] of [
      [a, aEnd],
      [b, bEnd],
    ] as const) {
      await set(at, `net.ipv6.conf.${end}.accept_dad=0`)
      await ip(at, `link set ${end} up`)
    }
  }

  async function broker(n: number): Promise<void> {
    const namespace = name(`b${n}`)
    await space(namespace)
    await cable(inet, `b${n}`, namespace, 'up0')
    const [pool, endpoint] = [pools[n] ?? parseCidr(''), `45.33.${32 + n}.2`]
    await ip(inet, `addr add 45.33.${32 + n}.1/24 dev b${n}`)
    await ip(inet, `addr add 2a01:7e00:1:${n}::1/64 dev b${n} nodad`)
    await ip(inet, `-6 route add ${pool} via 2a01:7e00:1:${n}::2`)
    await ip(namespace, `addr add ${endpoint}/24 dev up0`)
    await ip(namespace, `addr add 2a01:7e00:1:${n}::2/64 dev up0 nodad`)
    await ip(namespace, `route add default via 45.33.${32 + n}.1`)
    await ip(namespace, `-6 route add default via 2a01:7e00:1:${n}::1`)
    const keys = generateKeyPair()
    const settings = {
      namespace,
      interfaceName: name(`w${n}`),
      uplink: 'up0',
      pool,
      mode: 'routed' as const,
      ownAddress: parseInterfaceAddress(`${pool.replace('::/48', '::1')}/128`),
      listenPort: 51_820,
      privateKey: keys.privateKey,
      mtu: options.mtu ?? 1420,
      hostToHost: false,
      openPorts: { tcp: [22], udp: [] },
    }
    const machine: BrokerMachine = {
      namespace,
      endpoint,
      settings,
      publicKey: keys.publicKey,
      dataPath: createLinuxDataPath(settings),
      async wipe() {
        await inside(namespace, 'nft', 'flush', 'ruleset')
        await run('ip', ['-n', namespace, 'link', 'delete', settings.interfaceName])
        await inside(namespace, 'ip', '-6', 'route', 'flush', 'type', 'unreachable', 'proto', '187')
        await set(namespace, 'net.ipv6.conf.all.forwarding=0')
        // forwarding off takes the router's routes with it only where they were learned; ours is static
        await until(
          'the interface to go',
          10,
          async () => (await inside(namespace, 'ip', 'link', 'show', settings.interfaceName)).code !== 0,
        )
      },
    }
    brokers.push(machine)
  }

  async function host(n: number): Promise<void> {
    const [namespace, vm] = [name(`h${n}`), name(`v${n}`)]
    await space(namespace)
    await space(vm)
    await cable(inet, `h${n}`, namespace, 'up0')
    await cable(namespace, 'vm0', vm, 'eth0')
    await ip(inet, `addr add 45.33.${64 + n}.1/24 dev h${n}`)
    await ip(namespace, `addr add 45.33.${64 + n}.2/24 dev up0`)
    await ip(namespace, `route add default via 45.33.${64 + n}.1`)
    await set(namespace, 'net.ipv6.conf.all.forwarding=1')
    await ip(namespace, 'addr add fe80::1/64 dev vm0 nodad')
    await ip(vm, 'link set eth0 mtu 1420')
    await ip(vm, '-6 route add default via fe80::1 dev eth0')
    hosts.push({ namespace, vm, keys: generateKeyPair(), tunnels: [] })
  }

  const stand: BrokerStand = {
    inet,
    brokers,
    hosts,
    in: inside,
    ip,
    lease(h, b = 0, more = {}) {
      const keys = hosts[h]?.keys
      if (keys === undefined) throw new Error(`no host ${h}`)
      return {
        id: `l-${'0'.repeat(14)}${b}${h}` as Lease['id'],
        identity: `00000000000${h}` as Lease['identity'],
        prefix: prefixOf(h, b),
        peerKey: keys.publicKey,
        closed: defaultClosedPorts,
        suspended: false,
        from: 0,
        until: 2_000_000_000,
        graceUntil: 2_000_086_400,
        ...more,
      }
    },
    async connect(h, b = 0) {
      const [machine, at] = [hosts[h], brokers[b]]
      if (machine === undefined || at === undefined) throw new Error('no such machine')
      const { namespace, vm, keys } = machine
      const tunnel = name(`t${h}${b}`)
      const prefix = prefixOf(h, b)
      const daemon = await startUserspaceDaemon(tunnel, { namespace })
      machine.tunnels.push({ name: tunnel, daemon })
      const config: InterfaceConfig = {
        privateKey: keys.privateKey,
        mtu: options.mtu ?? 1420,
        // what the host itself has to say about its prefix is said from here
        addresses: [parseInterfaceAddress(prefix.replace('::/64', '::1/128'))],
        routes: [],
        peers: [
          {
            publicKey: at.publicKey,
            endpoint: { host: at.endpoint, port: 51_820 },
            allowedIps: [parseCidr('::/0')],
            persistentKeepaliveSeconds: 25,
          },
        ],
      }
      await new WireGuardInterface({ name: tunnel, device: daemon.device, namespace }).set(config)
      const address = prefix.replace('::/64', ':1::5')
      // by source: with two brokers each prefix goes back through its own tunnel
      const table = String(100 + b)
      await ip(namespace, `-6 route add default dev ${tunnel} table ${table}`)
      await ip(namespace, `-6 rule add from ${prefix} table ${table} priority ${1000 + b}`)
      await ip(namespace, `-6 rule add to ${prefix} table main priority ${900 + b}`)
      await ip(namespace, `-6 route add ${address}/128 dev vm0`)
      await ip(namespace, `-6 route add unreachable ${prefix} metric 4096`)
      await ip(vm, `addr add ${address}/64 dev eth0 nodad`)
      return address
    },
    spawn(namespace, program, ...args) {
      const child = spawn('ip', ['netns', 'exec', namespace, program, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
      let text = ''
      for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part: string) => (text += part))
      const gone = new Promise<void>((done) => child.once('exit', () => done()))
      const started = {
        child,
        text: () => text,
        async end() {
          child.kill('SIGINT')
          await gone
        },
      }
      children.push({
        end: async () => {
          child.kill('SIGKILL')
          await gone
        },
      })
      return started
    },
    async counted(b, comment) {
      const { stdout } = await inside(brokers[b]?.namespace ?? '', 'nft', 'list', 'table', 'inet', 'freehold_broker')
      const rule = new RegExp(`counter packets (\\d+) .*comment "${comment}"`, 'g')
      return [...stdout.matchAll(rule)].reduce((sum, found) => sum + Number(found[1]), 0)
    },
    async pings(from, to, ...more) {
      return (await inside(from, 'ping', '-6', '-c', '1', ...(more.includes('-W') ? [] : ['-W', '3']), ...more, to)).code === 0
    },
    async stop() {
      await Promise.all(children.map((child) => child.end()))
      for (const { tunnels } of hosts) for (const { daemon } of tunnels) await daemon.stop()
      for (const { dataPath, namespace, settings } of brokers) {
        await dataPath.close()
        await run('ip', ['-n', namespace, 'link', 'delete', settings.interfaceName])
      }
      for (const namespace of made) await run('ip', ['netns', 'delete', namespace])
    },
  }

  try {
    await space(inet)
    await set(inet, 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
    await ip(inet, `addr add ${far6}/128 dev lo nodad`)
    for (let n = 0; n < options.brokers; n += 1) await broker(n)
    for (let n = 0; n < options.hosts; n += 1) await host(n)
  } catch (error) {
    await stand.stop()
    throw error
  }
  return stand
}

/** Number 0x100 + n of the pool's /64s: sparse enough for a stand. */
export function prefixOf(host: number, broker: number): Cidr {
  return parseCidr((pools[broker] ?? '').replace('::/48', `:${(0x100 + host).toString(16)}::/64`))
}
