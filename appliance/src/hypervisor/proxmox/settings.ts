import { open, readFile } from 'node:fs/promises'
import type { z } from 'zod'
import type { Clock } from '../../clock/clock.ts'
import type { Config } from '../../config/schema.ts'
import { AppError } from '../../errors/app-error.ts'
import { parseAuthority, parseEndpoint, parseFingerprint, type Pin } from './endpoint.ts'
import { seenAtEnrolment } from './enrol/kept-token.ts'
import { bridge, poolId, storageId } from './formats.ts'
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
    loginEndpoint: answer.guestsReachHostAt ?? host.loginEndpoint,
    guestNetworks: answer.guestNetworks,
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
