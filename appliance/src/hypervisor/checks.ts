import type { VmKey } from '../chain/installation.ts'
import { AppError } from '../errors/app-error.ts'
import type { VmSpec } from './port.ts'

/** 2^256 has 78 decimal digits: no token id of the contract is longer. */
const tokenIdDigits = 78
const address = /^0x[0-9a-fA-F]{40}$/

function refuse(pointer: string, detail: string): never {
  throw new AppError({ code: 'bad-input', detail, fields: [{ pointer, detail }] })
}

/**
 * Refuses a key that could not come from a contract (P4): names of domains, folders and sockets are made from it. Every verb
 * of every driver asks this first. Throws `bad-input`.
 */
export function requireKey(key: VmKey): void {
  if (!/^[0-9a-f]{12}$/.test(key.installation)) refuse('/key/installation', 'An installation is 12 hex digits in lower case.')
  if (typeof key.tokenId !== 'bigint' || key.tokenId < 0n || key.tokenId.toString().length > tokenIdDigits) {
    refuse('/key/tokenId', 'A token id is a whole number of 256 bits.')
  }
  if (!isWhole(key.generation, 1, 999_999_999)) refuse('/key/generation', 'A generation is a whole number from 1.')
}

/** Refuses a reinstall that is none: another VM's, or not a later generation. Throws `bad-input`. */
export function requireNextGeneration(from: VmKey, to: VmKey): void {
  requireKey(from)
  requireKey(to)
  if (from.installation === to.installation && from.tokenId === to.tokenId && from.generation < to.generation) return
  refuse('/key/generation', 'A reinstall leads to a later generation of the same VM.')
}

/** Refuses a snapshot name that is more than a word: it reaches file tools and a monitor command. Throws `bad-input`. */
export function requireSnapshotName(name: string): void {
  if (!/^[a-z0-9][a-z0-9-]{0,40}$/.test(name)) {
    refuse('/name', 'A snapshot has a name of small letters, digits and dashes, at most 41.')
  }
}

/** Refuses what is no SHA-256 in hex: it becomes a file name. Throws `bad-input`. */
export function requireSha256(text: string): void {
  if (!/^[0-9a-f]{64}$/.test(text)) refuse('/sha256', 'A template is named by 64 hex digits in lower case.')
}

/** Refuses a spec that a driver could not make or could misread (P4). Throws `bad-input` with a pointer to the field. */
export function requireSpec(spec: VmSpec): void {
  requireKey(spec.key)
  requireSha256(spec.template)
  if (!isWhole(spec.vcpus, 1, 256)) refuse('/vcpus', 'A VM has 1 to 256 CPUs.')
  if (!isWhole(spec.memoryMiB, 32, 2 ** 24)) refuse('/memoryMiB', 'A VM has at least 32 MiB of memory.')
  if (!isWhole(spec.diskGiB, 1, 2 ** 16)) refuse('/diskGiB', 'A disk has at least 1 GiB.')
  if (!/^52:54(:[0-9a-f]{2}){4}$/.test(spec.mac)) refuse('/mac', 'A MAC begins with 52:54 and is written in lower case.')
  const { ipv4, ipv6, sshPort } = spec.addresses
  if (ipv4 !== null && !/^[0-9.]{7,15}$/.test(ipv4)) refuse('/addresses/ipv4', 'This is no IPv4 address.')
  if (ipv6 !== null && !/^[0-9a-fA-F:.]{2,45}$/.test(ipv6)) refuse('/addresses/ipv6', 'This is no IPv6 address.')
  if (sshPort !== null && !isWhole(sshPort, 1, 65_535)) refuse('/addresses/sshPort', 'A port is 1 to 65535.')
  if (!address.test(spec.origin.buyer)) refuse('/origin/buyer', 'A buyer is an address: 0x and 40 hex digits.')
  if (!isWhole(spec.origin.boughtBlock, 0, Number.MAX_SAFE_INTEGER)) refuse('/origin/boughtBlock', 'A block is a whole number.')
}

function isWhole(value: number, from: number, to: number): boolean {
  return Number.isSafeInteger(value) && value >= from && value <= to
}
