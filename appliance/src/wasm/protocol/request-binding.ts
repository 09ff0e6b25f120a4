import { canonicalJson } from './canonical.ts'

/** What a request says in clear; the seal is bound to every one of these, so no proxy changes an argument. */
export interface ClearFields {
  function_name: string
  arguments: readonly { value: unknown; type?: string | undefined }[]
  timeout_seconds: number
  gas_limit?: string | undefined
  request_metadata: { client_id: string; version: string }
  issued_at?: string | undefined
  nonce?: string | undefined
  result_region?: boolean | undefined
}

const names = [
  'function_name',
  'arguments',
  'timeout_seconds',
  'gas_limit',
  'request_metadata',
  'issued_at',
  'nonce',
  'result_region',
] as const

/** HPKE's `info` of a request: names protocol, direction and key. */
export function requestInfo(kid: string): Buffer {
  return Buffer.concat([Buffer.from('wasm-hypervisor/v1 request'), Buffer.from([0]), Buffer.from(kid, 'utf8')])
}

/** HPKE's `aad` of a request: the clear fields in canonical form, absent ones left out. */
export function requestAad(fields: ClearFields): Buffer {
  return canonicalJson(Object.fromEntries(names.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]]))))
}
