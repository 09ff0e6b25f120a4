import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { generateKeyPair } from 'wireguard-ts/key'
import { run, runOrFail } from 'wireguard-ts/run'
import { startUserspaceDaemon } from 'wireguard-ts/userspace-daemon'
import { systemClock } from '@freehold/appliance/clock/clock'
import { AppError } from '@freehold/appliance/errors/app-error'
import { row, type Bench } from '../row.ts'
import { freshKey, manyPeers, prefixAt } from '../wireguard/many-peers.ts'

const count = 5000
const script = resolve(import.meta.dirname, '../../../testing/stands/broker/broker-process.ts')

/** Needs root, /dev/net/tun, wireguard-go and nftables; works in a network namespace of its own. */
export const brokerAtSize: Bench = {
  id: 'broker-at-size',
  about:
    'at 5,000 peers: memory of broker and daemon against the same daemon set and read without a broker, and a restore after a reboot',
  slow: true,
  async run(report) {
    const id = process.pid % 100_000
    const namespace = `fbm${id}`
    await runOrFail('make a namespace', 'ip', ['netns', 'add', namespace])
    const folder = await mkdtemp(join(tmpdir(), 'freehold-bench-'))
    try {
      await runOrFail('make an uplink', 'ip', ['-n', namespace, 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'up1'])
      const bare = await bareDaemon(`fbn${id}`, namespace)
      const none = await brokerOf(0, { folder, namespace, name: `fbo${id}` })
      const full = await brokerOf(count, { folder, namespace, name: `fbo${id}` })
      const perPeer = (full.residentKiB - none.residentKiB) / count
      report(`a peer costs the bare daemon ${bare.toFixed(1)} KiB, broker and daemon ${perPeer.toFixed(1)} KiB`)
      report(`5,000 leases stand again after ${full.restoredMs} ms`)
      return [
        row('broker memory per peer, against the bare daemon', perPeer / bare, 'times', 1.2),
        row('5,000 peers restored', full.restoredMs, 'ms', 2000, 0),
      ]
    } finally {
      await run('ip', ['netns', 'delete', namespace])
      await rm(folder, { recursive: true, force: true })
    }
  },
}

/**
 * KiB that a peer costs a daemon that is set and read back once, as by `wg setconf` and `wg show`: what telling thousands of peers
 * leaves in its heap is the same whoever asks.
 */
async function bareDaemon(name: string, namespace: string): Promise<number> {
  const daemon = await startUserspaceDaemon(name, { namespace })
  try {
    await runOrFail('set the interface up', 'ip', ['-n', namespace, 'link', 'set', name, 'up'])
    const { privateKey } = generateKeyPair()
    await daemon.device.apply({ privateKey, peers: [] })
    const before = await residentKiB(daemon.pid)
    await daemon.device.apply({ peers: manyPeers(count).map((peer) => ({ kind: 'add', ...peer })) })
    await daemon.device.read()
    return ((await residentKiB(daemon.pid)) - before) / count
  } finally {
    await daemon.stop()
  }
}

/** A broker that restores so many leases: how long it took, and KiB of it and its daemon together. */
async function brokerOf(
  leases: number,
  at: { folder: string; namespace: string; name: string },
): Promise<{ residentKiB: number; restoredMs: number }> {
  const file = join(at.folder, 'store.json')
  const settings = {
    interfaceName: at.name,
    uplink: 'up0',
    pool: '2a01:7e00:a00::/48',
    mode: 'routed',
    ownAddress: '2a01:7e00:a00::1/128',
    listenPort: 51_821,
    privateKey: generateKeyPair().privateKey,
    mtu: 1420,
    hostToHost: false,
    openPorts: { tcp: [22], udp: [] },
  }
  const list = Array.from({ length: leases }, (_, n) => ({
    id: `l-${n.toString(16).padStart(16, '0')}`,
    identity: '0123456789ab',
    prefix: prefixAt(n),
    peerKey: freshKey(),
    closed: { tcp: [25], udp: [] },
    suspended: false,
    from: 0,
    until: 1,
    graceUntil: 2,
  }))
  await writeFile(file, JSON.stringify({ settings, leases: list }), { mode: 0o600 })
  // as `bin/freehold-broker` starts it
  const limits = ['--max-semi-space-size=1', '--optimize-for-size']
  const args = ['netns', 'exec', at.namespace, process.execPath, ...limits, script, file]
  const child = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const [line] = (await once(child.stdout, 'data', { signal: AbortSignal.timeout(60_000) })) as [Buffer]
    const restoredMs = /^applied \d+ changes in (\d+) ms/.exec(line.toString())?.[1]
    if (restoredMs === undefined) throw new AppError({ code: 'process-failed', detail: 'The broker did not restore.' })
    const both = (await residentKiB(child.pid ?? 0)) + (await residentKiB(await daemonOf(at.name)))
    return { residentKiB: both, restoredMs: Number(restoredMs) }
  } finally {
    child.kill('SIGKILL')
    await run('ip', ['-n', at.namespace, 'link', 'delete', at.name])
    await run('nft', ['flush', 'ruleset'], { namespace: at.namespace })
  }
}

/** The daemon of an interface went into the background by itself: it is found by its command line. */
async function daemonOf(name: string): Promise<number> {
  const { stdout } = await run('ps', ['-eo', 'pid,args'])
  const pid = new RegExp(`^ *(\\d+) .*wireguard-go ${name}$`, 'm').exec(stdout)?.[1]
  if (pid === undefined) throw new AppError({ code: 'process-failed', detail: `No daemon of ${name} runs.` })
  return Number(pid)
}

/** What a process holds once it has done what it was told: a daemon starts its peers after it has answered. */
async function residentKiB(pid: number): Promise<number> {
  const read = async (): Promise<number> => Number(/^VmRSS:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1])
  let before = 0
  for (let now = await read(); Math.abs(now - before) > before / 100; now = await read()) {
    before = now
    await systemClock.wait(1000)
  }
  return before
}
