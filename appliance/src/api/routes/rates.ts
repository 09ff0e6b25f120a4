import { z } from 'zod'
import { AppError } from '../../errors/app-error.ts'
import type { ApiServer } from '../app.ts'
import { nameOf, type Caller } from '../identity.ts'
import type { ApiPorts } from '../ports.ts'
import { ratesOf } from '../rates.ts'
import { rateBodySchema, ratesSchema } from '../schemas/status.ts'

/** One that is none of a plan's tokens, in whatever form, is not found. */
const params = z.strictObject({ token: z.string().max(64) })

/** PUT and DELETE /v1/rates/{token}: what a token is worth, said by the operator; told to all with GET /v1/status. */
export function registerRates(app: ApiServer, ports: ApiPorts): void {
  const rates = ratesOf(ports.store.settings)

  /** The address of a token that a plan is sold for. */
  function sold(token: string): string {
    const wanted = token.toLowerCase()
    const known = ports
      .facts()
      .contracts.some(({ latest }) => latest.plans.some((plan) => plan.prices.some((p) => p.token.toLowerCase() === wanted)))
    if (known) return wanted
    throw new AppError({
      code: 'not-found',
      detail: `No plan is sold for the token ${wanted}.`,
      hint: 'Give a plan a price in it first.',
    })
  }

  const noted = (caller: Caller, target: string, result: string) =>
    ports.store.audit.append({ who: nameOf(caller), what: 'rate', target, result, transactionHash: null })

  app.put(
    '/v1/rates/:token',
    { config: { access: 'operator' }, schema: { params, body: rateBodySchema, response: { 200: ratesSchema } } },
    async ({ caller, params: { token }, body: { currency, rate } }) => {
      const target = sold(token)
      await rates.set(target, { currency, rate, setAt: ports.clock.now() })
      await noted(caller, target, `${rate} ${currency}`)
      return { rates: [...(await rates.list())] }
    },
  )

  app.delete(
    '/v1/rates/:token',
    { config: { access: 'operator' }, schema: { params, response: { 200: ratesSchema } } },
    async ({ caller, params: { token } }) => {
      await rates.set(token.toLowerCase(), undefined)
      await noted(caller, token.toLowerCase(), 'removed')
      return { rates: [...(await rates.list())] }
    },
  )
}
