import type { z } from 'zod'
import { holdingsOf } from '../holdings.ts'
import type { ApiServer } from '../app.ts'
import { perFacts, type HostFacts } from '../facts.ts'
import type { ApiPorts } from '../ports.ts'
import { overviewSchema, rentalsSchema, type Overview, type Rental } from '../schemas/operator.ts'
import { taskView } from '../views/task-view.ts'
import { vmStateIn } from '../views/vm-view.ts'
import { entitlement } from '../../subscriptions/entitlement.ts'

const soonSeconds = 7 * 86_400
const shownAtMost = 20
/** How far back the list of tasks is looked through for failed ones. */
const newestTasks = 100

/** GET /v1/overview: the three questions of the operator's first page (O2). GET /v1/rentals: the answer to the second one, whole. */
export function registerOverview(app: ApiServer, ports: ApiPorts): void {
  const reckoned = perFacts((facts) => reckon(facts, ports.clock.now()))

  const rentals = perFacts((facts) => JSON.stringify(rentalsOf(facts)))
  app.get(
    '/v1/rentals',
    { config: { access: 'operator' }, schema: { response: { 200: rentalsSchema } } },
    async (_, reply) =>
      // a string goes out as it is, made once per facts
      await reply
        .header('content-type', 'application/json; charset=utf-8')
        .send(rentals(ports.facts()) as unknown as z.output<typeof rentalsSchema>),
  )

  app.get('/v1/overview', { config: { access: 'operator' }, schema: { response: { 200: overviewSchema } } }, async () => {
    const [issues, tasks] = await Promise.all([ports.issues(), ports.store.tasks.list({ limit: newestTasks })])
    const count = (severity: 'high' | 'medium' | 'low') => issues.filter((i) => i.severity === severity).length
    return {
      ...reckoned(ports.facts()),
      issues: { high: count('high'), medium: count('medium'), low: count('low') },
      failedTasks: tasks.items
        .filter((task) => task.state === 'failed' || task.state === 'interrupted')
        .slice(0, 10)
        .map(taskView),
    }
  })
}

/** All of them at once: ten thousand are about two megabytes, and the page filters without asking again. */
function rentalsOf(facts: HostFacts): { rentals: Rental[] } {
  const plans = new Map(
    facts.contracts.flatMap(({ latest }) => latest.plans.map((p) => [`${latest.installation} ${p.planId}`, p.name])),
  )
  return {
    rentals: holdingsOf(facts).all.map(({ vmId, subscription: s, contract }) => ({
      vmId,
      hostname: `vm-${s.tokenId}`,
      state: vmStateIn(s, contract, facts),
      planName: plans.get(`${s.installation} ${s.planId}`) ?? `plan ${s.planId}`,
      holder: s.holder.toLowerCase(),
      expiresAt: s.expiresAt,
    })),
  }
}

/** What follows from the facts alone; once per facts, as it looks at every subscription. */
function reckon(facts: HostFacts, now: number): Omit<Overview, 'issues' | 'failedTasks'> {
  const { all, byHolder } = holdingsOf(facts)
  const states = Map.groupBy(all, (holding) => vmStateIn(holding.subscription, holding.contract, facts))
  const soon = all
    .filter(({ subscription: s }) => s.state === 'active' && s.expiresAt - now < soonSeconds)
    .toSorted((a, b) => a.subscription.expiresAt - b.subscription.expiresAt)
  const [selling] = facts.contracts
  return {
    vms: {
      total: all.length,
      subscribers: byHolder.size,
      byState: [...states].map(([state, list]) => ({ state, count: list.length })).toSorted((a, b) => b.count - a.count),
    },
    plans: (selling?.latest.plans ?? []).map(({ planId, name, used, capacity }) => ({ planId, name, used, capacity })),
    endsSoon: soon.slice(0, shownAtMost).map(({ vmId, subscription: s, contract: { latest } }) => ({
      vmId,
      hostname: `vm-${s.tokenId}`,
      planName: latest.plans.find((p) => p.planId === s.planId)?.name ?? `plan ${s.planId}`,
      holder: s.holder.toLowerCase(),
      entitlement: entitlement(s, latest.block.timestamp).kind,
      expiresAt: s.expiresAt,
      graceEndsAt: s.graceEndsAt,
    })),
    endsSoonTotal: soon.length,
  }
}
