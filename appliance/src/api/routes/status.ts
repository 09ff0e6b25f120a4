import { isStale, perFacts, type HostFacts } from '../facts.ts'
import type { ApiServer } from '../app.ts'
import type { ApiPorts } from '../ports.ts'
import { ratesOf } from '../rates.ts'
import { statusSchema, type Status } from '../schemas/status.ts'

/** GET /v1/status: what anybody needs to know before anything else. */
export function registerStatus(app: ApiServer, ports: ApiPorts): void {
  // asked anew: the host's own door is there before setup, when nobody knows its name yet
  const fixed = perFacts((facts: HostFacts): Omit<Status, 'now' | 'wasm' | 'rates'> => statusOf(ports.host, facts))
  app.get('/v1/status', { config: { access: 'public' }, schema: { response: { 200: statusSchema } } }, async () => ({
    ...fixed(ports.facts()),
    chain: { ...fixed(ports.facts()).chain, stale: isStale(ports.facts(), ports.clock.now()) },
    wasm: ports.wasm?.() !== undefined,
    now: ports.clock.now(),
    rates: [...(await ratesOf(ports.store.settings).list())],
  }))
}

function statusOf(host: ApiPorts['host'], facts: HostFacts): Omit<Status, 'now' | 'wasm' | 'rates'> {
  return {
    version: host.version,
    mode: host.mode,
    origin: host.origin,
    storefront: facts.storefront.open ? 'open' : 'closed',
    closedBecause: facts.storefront.open ? null : facts.storefront.because,
    chain: {
      chainId: host.chainId,
      name: host.chainName,
      rpcUrl: `${host.origin}/v1/rpc`,
      confirmations: host.confirmations,
      latest: facts.heads && { number: facts.heads.latest.number, timestamp: facts.heads.latest.timestamp },
      stale: true,
    },
    contracts: facts.contracts.map(({ latest }) => ({ installation: latest.installation, address: latest.contract })),
    hypervisor: facts.hypervisor && {
      name: facts.hypervisor.name,
      acceleration: facts.hypervisor.acceleration,
      isolation: facts.hypervisor.isolation,
    },
    notices: facts.notices.map(({ code, title }) => ({ code, title })),
  }
}
