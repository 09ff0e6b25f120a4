import { open, readFile } from 'node:fs/promises'
import type { z } from 'zod'
import type { Clock } from '../../clock/clock.ts'
import type { Config } from '../../config/schema.ts'
import { AppError } from '../../errors/app-error.ts'
import { parseAuthority, parseEndpoint, parseFingerprint, type Pin } from './endpoint.ts'
import { seenAtEnrolment } from './enrol/kept-token.ts'
import { bridge, fwAddress, fwPorts, network, poolId, storageId, type Network } from './formats.ts'
import type { Way } from './open-client.ts'
import type { ProxmoxOptions } from './options.ts'

/** What the answer file says of Proxmox. */
export type ProxmoxAnswer = Extract<Config['hypervisor'], { kind: 'proxmox' }>

/**
 * The driver's options from the answer file: addresses, pins, names, the token's secret from its file. Throws `bad-input` with
 * the field concerned, `config-unreadable` for a file that is missing or open to others.
 */
export async function proxmoxOptions(
  answer: ProxmoxAnswer,
  host: { clock: Clock; loginEndpoint: string },
): Promise<ProxmoxOptions> {
  const { firewall, zone } = await seenAtEnrolment(answer.tokenFile, answer.token)
  return {
    ways: await waysOf(answer),
    token: { id: answer.token, secret: await readTokenSecret(answer.tokenFile) },
    clock: host.clock,
    ...placesOf(answer),
    vmids: answer.vmids,
    loginEndpoint: endpointOf(answer.guestsReachHostAt ?? host.loginEndpoint),
    guestNetworks: parseNetworks(answer.guestNetworks, '/hypervisor/guestNetworks'),
    firewall,
    ...(zone !== undefined && { zone }),
    nodeNames: answer.nodes.map((node) => node.name),
  }
}

/** Names of pool, storages and bridge. Throws `bad-input`. */
export function placesOf(
  answer: Pick<ProxmoxAnswer, 'pool' | 'diskStorage' | 'mediaStorage' | 'bridge'>,
): Pick<ProxmoxOptions, 'pool' | 'diskStorage' | 'mediaStorage' | 'bridge'> {
  return {
    pool: parse(poolId, answer.pool, 'pool', 'name of a pool'),
    diskStorage: parse(storageId, answer.diskStorage, 'diskStorage', 'name of a storage'),
    mediaStorage: parse(storageId, answer.mediaStorage, 'mediaStorage', 'name of a storage'),
    bridge: parse(bridge, answer.bridge, 'bridge', 'name of a bridge'),
  }
}

/** Networks in the form that the firewall takes. Throws `bad-input` that points at the first which is none. */
export function parseNetworks(texts: readonly string[], pointer: string): Network[] {
  return texts.map((text, i) => {
    const parsed = network.safeParse(text)
    if (parsed.success) return parsed.data
    const detail = `${JSON.stringify(text)} is no network with a prefix length, such as 192.0.2.0/24.`
    const hint = 'The firewall of Proxmox takes prefix lengths from 8.'
    throw new AppError({ code: 'bad-input', detail, hint, fields: [{ pointer: `${pointer}/${i}`, detail }] })
  })
}

/** Address and port, as a rule of the firewall can let guests through to them. Throws `bad-input`. */
function endpointOf(text: string): string {
  const at = text.lastIndexOf(':')
  const address = text.slice(0, at).replace(/^\[(.*)\]$/, '$1')
  if (fwAddress.safeParse(address).success && !address.includes('/') && fwPorts.safeParse(text.slice(at + 1)).success) return text
  const detail = `${JSON.stringify(text)} is no address and port that guests could be let through to.`
  throw new AppError({ code: 'bad-input', detail, fields: [{ pointer: '/hypervisor/guestsReachHostAt', detail }] })
}

function parse<T extends z.ZodType>(type: T, text: string, field: string, what: string): z.output<T> {
  const parsed = type.safeParse(text)
  if (parsed.success) return parsed.data
  const detail = `${JSON.stringify(text)} is no ${what}.`
  throw new AppError({ code: 'bad-input', detail, fields: [{ pointer: `/hypervisor/${field}`, detail }] })
}

/** Every node with its pin: its own fingerprint, else the authority of the cluster and its name. */
export async function waysOf(answer: Pick<ProxmoxAnswer, 'nodes' | 'authorityFile'>): Promise<Way[]> {
  const pem = answer.authorityFile === undefined ? undefined : await readText(answer.authorityFile)
  return answer.nodes.map(({ url, name, fingerprint }, i) => {
    const endpoint = parseEndpoint(url)
    let pin: Pin
    if (fingerprint !== undefined) pin = { kind: 'fingerprint', sha256: parseFingerprint(fingerprint) }
    else if (pem !== undefined) pin = parseAuthority(pem, name)
    else {
      const detail = 'A node needs a fingerprint, or the cluster’s authority in authorityFile.'
      const hint = 'On a node: openssl x509 -noout -fingerprint -sha256 -in /etc/pve/local/pve-ssl.pem'
      throw new AppError({ code: 'bad-input', detail, hint, fields: [{ pointer: `/hypervisor/nodes/${i}`, detail }] })
    }
    return { endpoint, pin }
  })
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new AppError({ code: 'config-unreadable', detail: 'A file named for Proxmox cannot be read.', cause })
  }
}

/** Owner and mode are checked on the open file before a byte of it counts. */
export async function readTokenSecret(path: string): Promise<string> {
  const hint = 'Run freehold proxmox enrol, which writes it; chmod 600 where others may read it.'
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw new AppError({
      code: 'config-unreadable',
      detail: 'The file with the secret of the token cannot be read.',
      hint,
      cause,
    })
  })
  try {
    const { mode, uid } = await file.stat()
    if ((mode & 0o077) !== 0 || (uid !== 0 && uid !== process.getuid?.())) {
      throw new AppError({ code: 'config-unreadable', detail: 'The file with the secret of the token is open to others.', hint })
    }
    return (await file.readFile('utf8')).trim()
  } finally {
    await file.close()
  }
}
