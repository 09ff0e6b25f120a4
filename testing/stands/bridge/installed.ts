import { spawn } from 'node:child_process'
import { chmod, chown, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadOrCreateKey } from '@freehold/appliance/chain/provisioner-key'
import { createClient, type ApiClient } from '@freehold/appliance/cli/client'
import { applyAnswers } from '@freehold/appliance/dev/apply'
import { buildTemplate, checkout } from '@freehold/appliance/dev/builds'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { localChainProcess } from '@freehold/appliance/dev/local-chain'
import { until } from '@freehold/appliance/dev/supervisor'
import { run } from '@freehold/appliance/hypervisor/libvirt/run'
import { statusSchema } from '@freehold/appliance/api/schemas/status'
import { encryptKeystoreJson } from 'ethers'
import { net, startBridgeStand, world, type BridgeStand, type Talker } from './stand.ts'

/** Users of an installed host. They exist in the stand's own view of /etc alone. */
const ids = { freehold: { uid: 64_081, gid: 64_081 }, 'freehold-vm': { uid: 64_082, gid: 64_082 } } as const
const rpcPort = 8545

/** A whole installed host in the namespaces of a bridge stand: three users, no process of root but hostd. */
export interface InstalledStand {
  bridge: BridgeStand
  origin: string
  /** The state folder of freeholdd. */
  stateFolder: string
  /** The operator's own door. */
  operator: ApiClient
  /** The public door, as Caddy hands on somebody at this address. */
  visitor(address?: string): ApiClient
  /** `freehold` of the checkout, run by somebody on the Internet with this development wallet as a keystore file. */
  freehold(wallet: number, ...args: string[]): Promise<string>
  /** Time passes on chain and for the daemon. */
  advance(seconds: number): Promise<void>
  /** argv that enters a namespace as the machine's own processes see it. */
  enter(namespace: string): string[]
  virsh(...args: string[]): Promise<string>
  daemon: Talker
  stop(): Promise<void>
}

/** Each process of the host has the stand's folders where an installed host has its own, and sees its users. */
const mounts = [
  'for name in freehold-vm:run/freehold-vm run:run/freehold-hostd freehold-vm-lib:var/lib/freehold-vm; do',
  'mount --bind "$0/${name%%:*}" "/${name#*:}" || exit 1; done;',
  'mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group && exec "$@"',
].join(' ')

/** What stands where the usual host has a routed prefix: lines of the answer file, and of the daemon's environment. */
export interface OtherNetwork {
  network: string
  environment: readonly string[]
}

export async function startInstalledStand(
  report: (line: string) => void = () => undefined,
  /** Called when the chain is up, before the daemon is. */
  otherNetwork?: (bridge: BridgeStand) => Promise<OtherNetwork>,
): Promise<InstalledStand> {
  const image = await buildTemplate(report)
  for (const path of ['/run/freehold-vm', '/run/freehold-hostd', '/var/lib/freehold-vm']) await mkdir(path, { recursive: true })
  const bridge = await startBridgeStand({ tapOwner: ids['freehold-vm'].uid, group: ids.freehold.gid })
  const { folder, host, outside } = bridge
  const stateFolder = join(folder, 'daemon')
  const origin = `http://${world.uplink4}`

  const enter = (namespace: string): string[] => ['ip', 'netns', 'exec', namespace, 'unshare', '-m', 'sh', '-c', mounts, folder]
  const as = (user: keyof typeof ids): string[] => {
    const { uid, gid } = ids[user]
    const groups = user === 'freehold' ? `${gid},${ids['freehold-vm'].gid}` : String(gid)
    return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, `--groups=${groups}`, '--bounding-set=-all', '--no-new-privs']
  }
  /** What a unit gives its process: user, umask, a home of its own. */
  const unit = (user: keyof typeof ids, home: string, ...argv: string[]): string[] => {
    const script = 'umask 007; export HOME="$0" LC_ALL=C; unset XDG_RUNTIME_DIR XDG_STATE_HOME XDG_CACHE_HOME; exec "$@"'
    return [...enter(host).slice(4), ...as(user), 'sh', '-c', script, home, ...argv]
  }
  const start = (argv: readonly string[]): Promise<Talker> => bridge.talker(host, argv[0] ?? '', ...argv.slice(1))

  async function stop(): Promise<void> {
    // guests and libvirtd live in sessions of their own; what is in the namespace is ours
    const { stdout } = await run('ip', ['netns', 'pids', host])
    for (const pid of stdout.split('\n').filter((line) => line !== '')) {
      try {
        process.kill(Number(pid), 'SIGKILL')
      } catch {
        // it ended by itself
      }
    }
    await bridge.stop()
  }

  try {
    const owned: [string, keyof typeof ids, number][] = [
      ['freehold-vm', 'freehold-vm', 0o2770],
      ['freehold-vm-lib', 'freehold-vm', 0o2770],
      ['daemon', 'freehold', 0o700],
    ]
    for (const [name, user, mode] of owned) {
      await mkdir(join(folder, name))
      await chown(join(folder, name), ids[user].uid, ids[user].gid)
      await chmod(join(folder, name), mode)
    }
    const lines = Object.entries(ids)
    const add = (file: string, of: (name: string, uid: number, gid: number) => string) =>
      readFile(join('/etc', file), 'utf8').then((text) => {
        const rest = text.split('\n').filter((line) => line !== '' && !/^freehold(-vm)?:/.test(line))
        return writeFile(
          join(folder, file),
          `${[...rest, ...lines.map(([name, { uid, gid }]) => of(name, uid, gid))].join('\n')}\n`,
        )
      })
    await add('passwd', (name, uid, gid) => `${name}:x:${uid}:${gid}::/nonexistent:/usr/sbin/nologin`)
    await add('group', (name, _, gid) => `${name}:x:${gid}:${name === 'freehold-vm' ? 'freehold' : ''}`)
    const guestImage = join(folder, 'guest.qcow2')
    await copyFile(image.path, guestImage)

    report('chain')
    await mkdir(join(folder, 'chain'))
    const anvil = join(
      checkout,
      `node_modules/@foundry-rs/anvil-linux-${process.arch === 'x64' ? 'amd64' : process.arch}/bin/anvil`,
    )
    await start([anvil, ...localChainProcess({ anvil, port: rpcPort, folder: join(folder, 'chain') }).args])
    const listens = async () => (await bridge.in(host, 'bash', '-c', `</dev/tcp/127.0.0.1/${rpcPort}`)).code === 0
    await until('the chain', 120, listens)

    report('hypervisor')
    const session = join(checkout, 'appliance/src/hypervisor/libvirt/session.ts')
    const libvirtd = await start(unit('freehold-vm', '/var/lib/freehold-vm', process.execPath, session))
    const virsh = async (...args: string[]): Promise<string> => {
      const uri = 'qemu+unix:///session?socket=/run/freehold-vm/sock/libvirt-sock'
      const [program = '', ...rest] = [...enter(host), ...as('freehold'), 'virsh', '--quiet', '-c', uri, ...args]
      const { code, stdout, stderr } = await run(program, rest)
      if (code !== 0) throw new Error(`virsh ${args.join(' ')}: ${stderr}`)
      return stdout
    }
    await ready('libvirtd', libvirtd, 120, async () => (await virsh('uri')) !== '')

    report('daemon')
    const rpc = `http://127.0.0.1:${rpcPort}`
    const program = [process.execPath, join(import.meta.dirname, 'daemon.ts'), '--state', stateFolder, '--rpc', rpc]
    const other = await otherNetwork?.(bridge)
    const daemon = await start(unit('freehold', stateFolder, 'env', ...(other?.environment ?? []), ...program))
    await ready('the daemon', daemon, 120, async () => daemon.lines.includes('the daemon is up'))
    const obey = async (line: string): Promise<void> => {
      const before = daemon.lines.length
      daemon.say(line)
      await until(line, 120, async () => daemon.lines.slice(before).includes(`done ${line}`))
    }

    report('front')
    const caddyfile = join(folder, 'Caddyfile')
    const site = `{\n\tadmin off\n\tauto_https off\n}\n\n${origin} {\n\treverse_proxy unix/${stateFolder}/run/api.sock\n}\n`
    await writeFile(caddyfile, site)
    await start([
      ...enter(host).slice(4),
      'env',
      `XDG_DATA_HOME=${folder}`,
      `XDG_CONFIG_HOME=${folder}`,
      'caddy',
      'run',
      '--config',
      caddyfile,
    ])

    report('setup')
    const operator = createClient({ socket: join(stateFolder, 'run/admin.sock') })
    const answers = await answersOf(origin, rpc, { image: guestImage, sha256: image.sha256 }, other?.network)
    // made here so that it can be funded: setup finds it and waits for nothing
    const deployer = join(stateFolder, 'secrets/deployer.key')
    const { address } = await loadOrCreateKey(deployer)
    await chown(deployer, ids.freehold.uid, ids.freehold.gid)
    await obey(`fund ${address}`)
    await applyAnswers(operator, answers, report)
    await until(
      'the storefront',
      180,
      async () => (await operator.call(statusSchema, 'GET', '/v1/status')).storefront === 'open',
      200,
    )

    return {
      bridge,
      origin,
      stateFolder,
      operator,
      visitor: (address = world.outside4) => visitorAt(join(stateFolder, 'run/api.sock'), origin, address),
      async freehold(wallet, ...args) {
        const files = await keystoreOf(wallet, folder)
        const program = join(checkout, 'appliance/bin/freehold')
        return await freehold([...enter(outside), program, '--host', origin, '--json', ...files, ...args], folder)
      },
      advance: (seconds) => obey(`advance ${seconds}`),
      enter,
      virsh,
      daemon,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Waits for a process to be ready; fails with its last words if it ended instead. */
async function ready(what: string, { child, lines }: Talker, seconds: number, condition: () => Promise<boolean>): Promise<void> {
  const ended = (): boolean => child.exitCode !== null
  await until(what, seconds, async () => ended() || (await condition()))
  if (ended()) throw new Error(`${what} ended: ${lines.join('\n')}`)
}

/** The answers of embedded mode's example, on an installed host with a routed prefix. */
async function answersOf(
  origin: string,
  rpc: string,
  template: { image: string; sha256: string },
  network = `ipv6: { prefix: "${net.ipv6.prefix}", prefixLength: ${net.ipv6.prefixLength} }`,
): Promise<string> {
  const text = await readFile(join(checkout, 'scripts/embedded.yaml'), 'utf8')
  return `${text
    .replace('mode: embedded', 'mode: installed')
    .replace('http://localhost:8080', origin)
    .replace('http://127.0.0.1:8545', rpc)
    .replaceAll(/, dev-token: "\d+"/g, '')}
listen:
  login: ${net.ipv4.gateway}:7443
network:
  ${network}
template: { image: ${template.image}, sha256: ${template.sha256} }
`
}

/** Says what Caddy says: the one name of the host, and who asks. */
export function visitorAt(socket: string, origin: string, address: string): ApiClient {
  const client = createClient({ socket })
  const own = { host: new URL(origin).host, origin, 'x-forwarded-for': address }
  return {
    ...client,
    call: (schema, method, path, o = {}) => client.call(schema, method, path, { ...o, headers: { ...o.headers, ...own } }),
  }
}

/** The options that name a development wallet to `freehold` as people have theirs. */
async function keystoreOf(index: number, folder: string): Promise<string[]> {
  const [file, passphrase] = [join(folder, `wallet-${index}.json`), join(folder, 'passphrase')]
  await writeFile(passphrase, 'bridge', { mode: 0o600 })
  // weak on purpose: the key is public knowledge
  const { address, privateKey } = devWallet(index)
  await writeFile(file, await encryptKeystoreJson({ address, privateKey }, 'bridge', { scrypt: { N: 1024 } }), { mode: 0o600 })
  return ['--keystore', file, '--passphrase-file', passphrase]
}

async function freehold([program = '', ...args]: string[], folder: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const env = { ...process.env, XDG_STATE_HOME: join(folder, 'cli') }
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env, timeout: 180_000 })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  child.on('error', reject)
  child.on('close', (code) =>
    code === 0 ? resolve(stdout) : reject(new Error(`freehold ${args.slice(-6).join(' ')}: ${stderr}`)),
  )
  return await promise
}
