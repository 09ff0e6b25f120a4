import type { Clock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import { PveClient } from './client.ts'
import type { Endpoint, Pin } from './endpoint.ts'
import { tokenId } from './formats.ts'
import { Http } from './http.ts'
import { PinnedTls } from './pinned-tls.ts'

/** A token as `user@realm!name` and its secret. The secret goes into one header and nowhere else. */
export interface ApiToken {
  id: string
  secret: string
}

/** One address of the cluster and what its certificate is held against. */
export interface Way {
  endpoint: Endpoint
  pin: Pin
}

/** A client for a server or the nodes of one cluster. Throws `bad-input` for a malformed token. */
export function openClient(ways: readonly Way[], token: ApiToken, clock: Clock, pace = 1): PveClient {
  const id = tokenId.safeParse(token.id)
  if (!id.success || !/^[0-9a-fA-F-]{36}$/.test(token.secret)) {
    const detail = id.success ? 'The secret of a token is a UUID.' : 'A token is written user@realm!name.'
    throw new AppError({ code: 'bad-input', detail, fields: [{ pointer: '/hypervisor/token', detail }] })
  }
  const authorization = { authorization: `PVEAPIToken=${token.id}=${token.secret}` }
  return new PveClient(
    ways.map(({ endpoint, pin }) => new Http(new PinnedTls(endpoint, pin), () => authorization)),
    clock,
    pace,
  )
}
