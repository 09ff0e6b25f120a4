import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { endpointText, parseCidr, parseEndpoint } from './address.ts'
import { parseInterfaceName } from './config.ts'
import type { WireGuardDevice } from './device.ts'
import { WireGuardError } from './errors.ts'
import { parsePresharedKey, parsePrivateKey, parsePublicKey, publicKeyOf, secretTag } from './key.ts'
import { run, runOrFail, type RunOptions } from './run.ts'
import type { DeviceChange, DeviceState, PeerChange, PeerState } from './uapi-codec.ts'

/**
 * Drives an interface through `wg`: the kernel's where the module is there; a userspace one works the same way, which is how
 * this class is tested where it is not. Keys travel in files of mode 0600 in a folder of mode 0700 that is gone afterwards, never
 * as arguments; `secretsFolder` should lie in memory (default: the run-time folder of the system).
 */
export class KernelDevice implements WireGuardDevice {
  readonly #name: string
  readonly #where: RunOptions

  readonly #secrets: string

  constructor(name: string, options: { namespace?: string; secretsFolder?: string } = {}) {
    this.#name = parseInterfaceName(name)
    this.#where = options.namespace === undefined ? {} : { namespace: options.namespace }
    this.#secrets = options.secretsFolder ?? '/run'
  }

  async read(): Promise<DeviceState> {
    const result = await run('wg', ['show', this.#name, 'dump'], this.#where)
    if (result.code !== 0) {
      throw new WireGuardError(
        'interface-missing',
        `there is no WireGuard interface ${this.#name}`,
        'Make the interface first.',
        {
          cause: new Error(result.stderr.trim().slice(-500)),
        },
      )
    }
    return decodeDump(result.stdout)
  }

  async apply(change: DeviceChange): Promise<void> {
    // `wg set` makes a peer that is not there: an update must not
    const updates = change.peers.some((peer) => peer.kind === 'update')
    const present = updates ? new Set((await this.read()).peers.map((peer) => peer.publicKey)) : new Set()
    const peers = change.peers.filter((peer) => peer.kind !== 'update' || present.has(peer.publicKey))
    const folder = await mkdtemp(join(this.#secrets, 'wireguard-'))
    try {
      const { args, files } = setArguments(this.#name, { ...change, peers }, folder)
      for (const [path, secret] of files) await writeFile(path, `${secret}\n`, { mode: 0o600, flag: 'wx' })
      if (args.length > 2) await runOrFail(`set ${this.#name}`, 'wg', args, this.#where)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
}

/** The one call of `wg set` for a change, and the files with its secrets. Removals come first. Pure. */
export function setArguments(name: string, change: DeviceChange, folder: string): { args: string[]; files: Map<string, string> } {
  const files = new Map<string, string>()
  const fileOf = (secret: string): string => {
    const path = join(folder, String(files.size))
    files.set(path, secret)
    return path
  }
  const args = ['set', name]
  if (change.listenPort !== undefined) args.push('listen-port', String(change.listenPort))
  if (change.fwmark !== undefined) args.push('fwmark', change.fwmark === 0 ? 'off' : `0x${change.fwmark.toString(16)}`)
  if (change.privateKey !== undefined) args.push('private-key', fileOf(change.privateKey))
  for (const peer of change.peers) if (peer.kind === 'remove') args.push('peer', peer.publicKey, 'remove')
  for (const peer of change.peers) if (peer.kind !== 'remove') args.push(...peerWords(peer, fileOf))
  return { args, files }
}

function peerWords(peer: Exclude<PeerChange, { kind: 'remove' }>, fileOf: (secret: string) => string): string[] {
  const { presharedKey, endpoint, persistentKeepaliveSeconds, allowedIps } = peer
  return [
    'peer',
    peer.publicKey,
    ...(presharedKey === undefined ? [] : ['preshared-key', presharedKey === null ? '/dev/null' : fileOf(presharedKey)]),
    ...(endpoint === undefined ? [] : ['endpoint', endpointText(endpoint)]),
    ...(persistentKeepaliveSeconds === undefined ? [] : ['persistent-keepalive', String(persistentKeepaliveSeconds)]),
    ...(allowedIps === undefined ? [] : ['allowed-ips', allowedIps.join(',')]),
  ]
}

/** `wg show IF dump`: the interface in the first line, then eight fields a peer, by tabs. Source: wg(8). */
export function decodeDump(text: string): DeviceState {
  const [first = '', ...lines] = text.split('\n').filter((line) => line !== '')
  const [privateKey = '', , port = '0', mark = 'off'] = first.split('\t')
  return {
    publicKey: privateKey === '(none)' ? null : publicKeyOf(parsePrivateKey(privateKey)),
    listenPort: Number(port),
    fwmark: mark === 'off' ? 0 : Number(mark),
    peers: lines.map(peerOf),
  }
}

function peerOf(line: string): PeerState {
  const [key = '', preshared = '', endpoint = '', allowed = '', handshake = '0', received = '0', sent = '0', keepalive = 'off'] =
    line.split('\t')
  return {
    publicKey: parsePublicKey(key),
    presharedKeyTag: preshared === '(none)' ? null : secretTag(parsePresharedKey(preshared)),
    endpoint: endpoint === '(none)' ? null : parseEndpoint(endpoint),
    allowedIps: allowed === '(none)' || allowed === '' ? [] : allowed.split(',').map(parseCidr),
    persistentKeepaliveSeconds: keepalive === 'off' ? 0 : Number(keepalive),
    lastHandshakeSeconds: Number(handshake),
    receivedBytes: BigInt(received),
    sentBytes: BigInt(sent),
  }
}
