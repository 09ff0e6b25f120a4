import { timingSafeEqual } from 'node:crypto'
import { markOf, parseMark, type VmKey } from '../chain/installation.ts'
import { AppError } from '../errors/app-error.ts'
import type { StoredVm, VmRepository } from '../store/vms.ts'
import { reportToken, vmSecret } from '../vms/guest-secrets.ts'
import { networkOf } from './direct.ts'

/** What checks guests. */
export interface GuestAuthPorts {
  master: Uint8Array
  mode: 'embedded' | 'installed'
  vms: Pick<VmRepository, 'get'>
}

/** A guest that has proven which VM it is, in the generation that stands. */
export interface Guest {
  key: VmKey
  mark: string
  row: StoredVm
}

const refusal = () =>
  new AppError({ code: 'not-signed-in', detail: 'This VM is not known here.', hint: 'Only the VM itself can ask this.' })

/** By `Authorization: Bearer <mark's path>.<secret>`. Throws `not-signed-in`, telling nobody which part was wrong. */
export async function guestBySecret(ports: GuestAuthPorts, header: string | undefined, peer: string): Promise<Guest> {
  const text = /^Bearer ([\x21-\x7e]{1,300})$/.exec(header ?? '')?.[1]
  return await prove(ports, text, peer, (mark) => `${mark.slice('freehold:'.length)}.${vmSecret(ports.master, mark)}`)
}

/** By the one-time token of the seed. Whether it is used up is for the caller to look up. Throws `not-signed-in`. */
export async function guestByToken(ports: GuestAuthPorts, token: string, peer: string): Promise<Guest> {
  return await prove(ports, token, peer, (mark) => reportToken(ports.master, mark))
}

async function prove(
  ports: GuestAuthPorts,
  text: string | undefined,
  peer: string,
  expected: (mark: string) => string,
): Promise<Guest> {
  const key = parseMark(`freehold:${text?.split('.')[0] ?? ''}`)
  if (text === undefined || key === undefined || !equal(text, expected(markOf(key)))) throw refusal()
  const row = await ports.vms.get(key)
  if (row === undefined || row.generation !== key.generation || row.destroyedAt !== null) throw refusal()
  if (ports.mode === 'installed' && !isOwnAddress(row, peer)) throw refusal()
  return { key, mark: markOf(key), row }
}

/** In embedded mode all guests share the host's loopback; elsewhere a secret works only from its VM's address. */
function isOwnAddress({ addresses }: StoredVm, peer: string): boolean {
  const from = peer.replace(/^::ffff:(?=\d)/i, '')
  if (addresses.ipv4 !== null && from === addresses.ipv4) return true
  return addresses.ipv6 !== null && from.includes(':') && networkOf(from) !== undefined && sameIpv6(from, addresses.ipv6)
}

function sameIpv6(a: string, b: string): boolean {
  // the WHATWG parser writes every address in one way (RFC 5952)
  const canonical = (text: string) => URL.parse(`http://[${text}]`)?.hostname
  return canonical(a) !== undefined && canonical(a) === canonical(b)
}

function equal(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)]
  return x.length === y.length && timingSafeEqual(x, y)
}
