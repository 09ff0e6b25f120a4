import { spawn, type ChildProcess } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { createHostClient } from '@freehold/appliance/host/client'
import type { HostPort } from '@freehold/appliance/host/port'
import type { HostTap } from '@freehold/appliance/host/verbs'
import { run, runOrFail } from '@freehold/appliance/hypervisor/libvirt/run'
import { tapNameOf } from '@freehold/appliance/network/guest-addresses'
import { until } from '@freehold/appliance/dev/supervisor'

const here = import.meta.dirname
const hostd = resolve(here, '../../../appliance/src/host/hostd.ts')

/** A process of the stand and what it has printed, line by line. */
export interface Talker {
  child: ChildProcess
  lines: string[]
  say(line: string): void
  stop(): Promise<void>
}

/** The host's side of the world, the Internet's side, and how they are named. */
export const world = {
  /** The host on its uplink, and its neighbour and way out. */
  uplink4: '45.33.32.2',
  outside4: '45.33.32.1',
  uplink6: '2a01:7e00:1::2',
  outside6: '2a01:7e00:1::1',
  /** Someone on the Internet. */
  far4: '9.9.9.9',
  far6: '2620:fe::fe',
  guests6: '2a01:7e00:2::',
} as const

export const net = {
  ipv4: { gateway: '10.77.0.1', prefixLength: 16 },
  ipv6: { prefix: world.guests6, prefixLength: 64, onLink: false },
}

export interface BridgeStand {
  client: HostPort
  socketPath: string
  stateFolder: string
  folder: string
  /** Namespaces of the host and of the world outside. */
  host: string
  outside: string
  in(namespace: string, program: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }>
  talker(namespace: string, program: string, ...args: string[]): Promise<Talker>
  /** Whether somebody greets at each of these; fails unless every one was really tried. */
  reach(from: string, targets: readonly (readonly [string, number])[]): Promise<boolean[]>
  /** Opens the VM's tap as the hypervisor would, with a network stack behind it. */
  guest(tap: HostTap): Promise<Guest>
  /** Packets that the rule with this comment dropped or refused, in the chain of a tap or all over. */
  counted(comment: string, tap?: string): Promise<number>
  /** `more`: further arguments of this life. */
  startHostd(...more: string[]): Promise<Talker>
  hostd(): Talker
  stop(): Promise<void>
}

export interface Guest {
  namespace: string
  tap: string
  frame(bytes: Buffer): void
  /** Frames that reached the guest, as hex. */
  received: string[]
}

export async function startBridgeStand(options: { tapOwner: number; group: number }): Promise<BridgeStand> {
  const id = `fh${process.pid}`
  const [host, outside] = [`${id}h`, `${id}o`]
  const namespaces: string[] = []
  const talkers: Talker[] = []
  const folder = await mkdtemp(join(tmpdir(), 'freehold-bridge-'))
  await chmod(folder, 0o755)
  const [socketPath, stateFolder] = [join(folder, 'run/hostd.sock'), join(folder, 'state')]
  const inside = (namespace: string, program: string, ...args: string[]) =>
    run('ip', ['netns', 'exec', namespace, program, ...args])
  const ip = async (namespace: string, line: string): Promise<void> =>
    void (await runOrFail(`ip ${line}`, 'ip', ['-n', namespace, ...line.split(' ')]))

  async function namespace(name: string): Promise<void> {
    await runOrFail('make a namespace', 'ip', ['netns', 'add', name])
    namespaces.push(name)
    await ip(name, 'link set lo up')
  }

  async function talker(inNamespace: string, program: string, ...args: string[]): Promise<Talker> {
    const child = spawn('ip', ['netns', 'exec', inNamespace, program, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
    const lines: string[] = []
    for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', (line) => lines.push(line))
    const gone = new Promise<void>((done) => child.once('exit', () => done()))
    child.stdin.on('error', () => undefined)
    const made: Talker = {
      child,
      lines,
      say: (line) => void child.stdin.write(`${line}\n`),
      async stop() {
        child.kill('SIGKILL')
        await gone
      },
    }
    talkers.push(made)
    return made
  }

  let daemon: Talker
  async function startHostd(...more: string[]): Promise<Talker> {
    const announce = ['--announce-file', join(folder, 'announce/radvd.conf')]
    const args = ['--socket', socketPath, '--state', stateFolder, '--group', String(options.group), ...announce, ...more]
    // the rights that its unit leaves it, no more
    const rights = ['--bounding-set=-all,+net_admin,+chown', '--no-new-privs']
    daemon = await talker(host, 'setpriv', ...rights, process.execPath, hostd, ...args, '--tap-owner', String(options.tapOwner))
    await until('hostd to be up', 20, async () => {
      if (daemon.child.exitCode !== null) throw new Error(daemon.lines.join('\n'))
      return daemon.lines.some((line) => line.includes('is up'))
    })
    return daemon
  }

  async function guest(tap: HostTap): Promise<Guest> {
    const name = tapNameOf(tap)
    const own = `${id}g${namespaces.length}`
    await namespace(own)
    const relay = await talker(host, '/usr/bin/python3', join(here, 'guest.py'), name, own, tap.mac, String(options.tapOwner))
    await until('the guest to be up', 10, async () => {
      if (relay.child.exitCode !== null) throw new Error(relay.lines.join('\n'))
      return relay.lines.includes('up')
    })
    await inside(own, 'sysctl', '-qw', 'net.ipv6.conf.eth0.accept_dad=0')
    await ip(own, `addr add ${tap.ipv4}/16 dev eth0`)
    await ip(own, 'route add default via 10.77.0.1')
    if (tap.ipv6 !== null) await ip(own, `addr add ${tap.ipv6}/64 dev eth0 nodad`)
    if (tap.ipv6 !== null) await ip(own, '-6 route add default via fe80::1 dev eth0')
    return { namespace: own, tap: name, frame: (bytes) => relay.say(bytes.toString('hex')), received: relay.lines }
  }

  async function stop(): Promise<void> {
    await Promise.all(talkers.map((t) => t.stop()))
    for (const name of namespaces) await run('ip', ['netns', 'delete', name])
    await rm(folder, { recursive: true, force: true })
  }

  try {
    await mkdir(stateFolder, { mode: 0o700 })
    await namespace(host)
    await namespace(outside)
    await ip(host, `link add up0 type veth peer name down0 netns ${outside}`)
    for (const line of [
      `addr add ${world.uplink4}/24 dev up0`,
      `addr add ${world.uplink6}/64 dev up0 nodad`,
      'link set up0 up',
      `route add default via ${world.outside4}`,
      `-6 route add default via ${world.outside6}`,
    ]) {
      await ip(host, line)
    }
    const far = [world.far4, '192.168.50.1', '172.16.9.9', '10.200.0.1', '100.64.0.9', '169.254.169.254']
    for (const line of [
      `addr add ${world.outside4}/24 dev down0`,
      `addr add ${world.outside6}/64 dev down0 nodad`,
      'link set down0 up',
      ...far.map((address) => `addr add ${address}/32 dev lo`),
      ...[world.far6, 'fd00:9::1'].map((address) => `addr add ${address}/128 dev lo nodad`),
      `-6 route add ${world.guests6}/64 via ${world.uplink6}`,
      // the world outside knows the way to the guests: only the rules keep it out
      `route add 10.77.0.0/16 via ${world.uplink4}`,
    ]) {
      await ip(outside, line)
    }
    await startHostd()
  } catch (error) {
    await stop()
    throw error
  }

  return {
    client: createHostClient(socketPath),
    socketPath,
    stateFolder,
    folder,
    host,
    outside,
    in: inside,
    talker,
    guest,
    async reach(from, targets) {
      const { stdout, stderr } = await inside(
        from,
        '/usr/bin/python3',
        join(here, 'peer.py'),
        'try',
        ...targets.flat().map(String),
      )
      const answers = stdout.trim().split('\n')
      if (answers.length !== targets.length) throw new Error(`only ${answers.length} of ${targets.length} were tried: ${stderr}`)
      return answers.map((answer) => answer === 'open')
    },
    async counted(comment, tap) {
      const tables = tap === undefined ? [['table', 'inet', 'freehold']] : [['chain', 'bridge', 'freehold', tap]]
      const { stdout } = await inside(host, 'nft', 'list', ...(tables[0] ?? []))
      const rule = new RegExp(`counter packets (\\d+) .*comment "${comment}"`, 'g')
      return [...stdout.matchAll(rule)].reduce((sum, found) => sum + Number(found[1]), 0)
    },
    startHostd,
    hostd: () => daemon,
    stop,
  }
}
