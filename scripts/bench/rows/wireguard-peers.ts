import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair } from 'wireguard-ts/key'
import { run, runOrFail } from 'wireguard-ts/run'
import { statsOf } from 'wireguard-ts/stats'
import { startUserspaceDaemon } from 'wireguard-ts/userspace-daemon'
import { median, row, type Bench } from '../row.ts'
import { freshKey, manyPeers, prefixAt } from '../wireguard/many-peers.ts'

const count = 5000

/** Needs root, /dev/net/tun, wireguard-go and wireguard-tools. */
export const wireguardPeers: Bench = {
  id: 'wireguard-peers',
  about: 'one peer added at 5,000, against wg syncconf on the same device; statistics of 5,000',
  slow: true,
  async run(report) {
    const name = `fbp${process.pid % 100_000}`
    const folder = await mkdtemp(join(tmpdir(), 'freehold-bench-'))
    const daemon = await startUserspaceDaemon(name)
    try {
      const { privateKey } = generateKeyPair()
      const peers = manyPeers(count)
      await runOrFail('set the interface up', 'ip', ['link', 'set', name, 'up'])
      await daemon.device.apply({ privateKey, peers: peers.map((peer) => ({ kind: 'add', ...peer })) })
      const [adds, syncs, looks]: [number[], number[], number[]] = [[], [], []]
      for (let n = 0; n < 100; n += 1) {
        const publicKey = freshKey()
        const began = performance.now()
        await daemon.device.apply({ peers: [{ kind: 'add', publicKey, allowedIps: [prefixAt(20_000)] }] })
        adds.push(performance.now() - began)
        await daemon.device.apply({ peers: [{ kind: 'remove', publicKey }] })
      }
      const section = (key: string, network: string): string => `[Peer]\nPublicKey = ${key}\nAllowedIPs = ${network}\n`
      const all = `[Interface]\nPrivateKey = ${privateKey}\n${peers.map((p) => section(p.publicKey, p.allowedIps[0] ?? '')).join('')}`
      for (let n = 0; n < 7; n += 1) {
        const file = join(folder, `${n}.conf`)
        await writeFile(file, n % 2 === 0 ? all + section(freshKey(), prefixAt(20_000)) : all, { mode: 0o600 })
        const began = performance.now()
        await runOrFail('sync', 'wg', ['syncconf', name, file])
        syncs.push(performance.now() - began)
      }
      let before = await daemon.device.read()
      for (let n = 0; n < 15; n += 1) {
        const began = performance.now()
        const state = await daemon.device.read()
        statsOf(state, Math.floor(Date.now() / 1000), before)
        looks.push(performance.now() - began)
        before = state
      }
      const [add, sync] = [median(adds), median(syncs)]
      report(`one added ${add.toFixed(3)} ms, wg syncconf ${sync.toFixed(1)} ms: ${(sync / add).toFixed(0)} times cheaper`)
      return [
        row('one WireGuard peer added at 5,000', add, 'ms', 0.3, 3),
        row('the same against wg syncconf', add / sync, 'times', 0.01, 4),
        row('statistics of 5,000 WireGuard peers', median(looks), 'ms', 30, 1),
      ]
    } finally {
      await daemon.stop()
      await run('ip', ['link', 'delete', name])
      await rm(folder, { recursive: true, force: true })
    }
  },
}
