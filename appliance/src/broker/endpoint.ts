import { isIP } from 'node:net'
import { parseCidr, specialRangeOf, type Endpoint } from 'wireguard-ts/address'
import { AppError } from '../errors/app-error.ts'

/** Looks a name up; rejects where there is none. */
export type Lookup = (name: string) => Promise<readonly string[]>

const lookupMs = 5000

/**
 * The addresses that hosts will dial. A name must resolve within 5 s, and every address of it must be public: a name that answers
 * with a private address now and then leaves some hosts without a tunnel. Throws `bad-input` with what was seen.
 */
export async function checkEndpoint(endpoint: Endpoint, lookup: Lookup, allowDocumentation = false): Promise<readonly string[]> {
  const fail = (detail: string, hint: string, cause?: unknown): AppError =>
    new AppError({ code: 'bad-input', detail, hint, fields: [{ pointer: '/network/endpoint', detail }], cause })
  let addresses: readonly string[]
  if (isIP(endpoint.host) !== 0) addresses = [endpoint.host]
  else {
    const late = Promise.withResolvers<'late'>()
    const timer = setTimeout(() => late.resolve('late'), lookupMs)
    try {
      const found = await Promise.race([lookup(endpoint.host), late.promise])
      if (found === 'late')
        throw fail(
          `${endpoint.host} did not resolve within ${lookupMs / 1000} s`,
          'Check the name at your DNS provider, or enter the address itself.',
        )
      addresses = found
    } catch (cause) {
      if (cause instanceof AppError) throw cause
      throw fail(`${endpoint.host} does not resolve`, 'Check the name at your DNS provider, or enter the address itself.', cause)
    } finally {
      clearTimeout(timer)
    }
  }
  if (addresses.length === 0)
    throw fail(`${endpoint.host} has no address`, 'Give the name an A or AAAA record, or enter the address itself.')
  for (const address of addresses) {
    const special = specialRangeOf(parseCidr(address))
    if (special !== undefined && !(allowDocumentation && special === 'documentation')) {
      const seen = address === endpoint.host ? address : `${endpoint.host} resolves to ${address}, which`
      throw fail(`${seen} is ${special}`, 'Hosts dial the endpoint from anywhere: enter the public address of this machine.')
    }
  }
  return addresses
}
