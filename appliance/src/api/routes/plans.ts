import { AppError } from '../../errors/app-error.ts'
import type { ApiServer } from '../app.ts'
import { perFacts, type HostFacts } from '../facts.ts'
import type { ApiPorts } from '../ports.ts'
import { plansSchema, quoteQuerySchema, quoteSchema } from '../schemas/status.ts'
import { planView, priceOf } from '../views/plan-view.ts'

/** GET /v1/plans, GET /v1/quotes: what can be bought of the contract that sells. Public. */
export function registerPlans(app: ApiServer, ports: ApiPorts): void {
  const plans = perFacts((facts: HostFacts) => {
    const [selling] = facts.contracts
    if (selling === undefined) return { plans: [], buyingPaused: false }
    return { plans: selling.latest.plans.map((p) => planView(p, selling, ports)), buyingPaused: selling.latest.buyingPaused }
  })

  app.get('/v1/plans', { config: { access: 'public' }, schema: { response: { 200: plansSchema } } }, () => plans(ports.facts()))

  app.get(
    '/v1/quotes',
    { config: { access: 'public' }, schema: { querystring: quoteQuerySchema.strict(), response: { 200: quoteSchema } } },
    ({ query: { planId, token, seconds } }) => {
      const plan = plans(ports.facts()).plans.find((p) => p.planId === planId)
      if (plan === undefined) throw new AppError({ code: 'not-found', detail: `There is no plan ${planId}.` })
      const price = plan.prices.find((p) => p.token.toLowerCase() === token.toLowerCase())
      if (price === undefined) throw wrong('/token', `${plan.name} is not sold for this token`)
      if (seconds < plan.minSeconds || seconds > plan.maxSeconds) {
        throw wrong('/seconds', `${plan.name} is sold for ${plan.minSeconds} to ${plan.maxSeconds} s`)
      }
      return {
        planId,
        token: price.token,
        symbol: price.symbol,
        decimals: price.decimals,
        seconds,
        price: priceOf(BigInt(price.pricePerDay), seconds).toString(),
        contract: plan.contract,
      }
    },
  )
}

function wrong(pointer: string, detail: string): AppError {
  return new AppError({ code: 'bad-input', detail: 'This cannot be bought.', fields: [{ pointer, detail }] })
}
