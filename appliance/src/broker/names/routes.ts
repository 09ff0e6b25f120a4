import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { AppError } from '../../errors/app-error.ts'
import { installationId } from '../../chain/installation.ts'
import type { Broker } from '../broker.ts'
import type { Registry } from '../chain/registry.ts'
import { checkMeant } from '../http/public-server.ts'
import { signerOf, verifyAsker } from '../http/verify.ts'
import { checkTimes, parseWith, signedRequestSchema } from '../requests/request.ts'
import type { Identity } from '../types.ts'
import type { NameBook } from './name-book.ts'
import { nameRequestSchema, nameRequestText, type NameRequest } from './name-request.ts'

const signedNameRequestSchema = z.strictObject({ request: nameRequestSchema, signature: signedRequestSchema.shape.signature })

/** `POST /v1/names`: signed as requests are; answered when the name is served. */
export function nameRoutes(broker: Broker, registry: Registry, names: NameBook) {
  return (app: FastifyInstance, check: (source: string) => void): void => {
    app.post('/v1/names', async (http) => {
      check(http.ip)
      const { request, signature } = parseWith(signedNameRequestSchema, http.body)
      checkMeant(request, broker)
      checkTimes(request, broker.clock.now())
      const signer = signerOf(nameRequestText(request), signature)
      await verifyAsker(registry, request, signer)
      const identity = installationId(request.chainId, request.contract) as Identity
      const answer = broker.book.named(identity, request, () => change(names, identity, request, broker.clock.now()))
      await broker.namesChanged()
      return answer
    })
  }
}

function change(names: NameBook, identity: Identity, request: NameRequest, now: number): object {
  switch (request.verb) {
    case 'name':
      return names.set(identity, request.label, request.address, now)
    case 'unname':
      if (!names.remove(identity, request.label)) {
        throw new AppError({
          code: 'broker-name-refused',
          detail: `${JSON.stringify(request.label.slice(0, 80))} is not a name of this installation`,
        })
      }
      return { label: request.label }
    case 'prove':
      return names.prove(identity, request.label, request.value, now)
    default: {
      const never: never = request
      throw new TypeError(String(never))
    }
  }
}
