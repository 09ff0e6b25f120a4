import swagger from '@fastify/swagger'
import websocket from '@fastify/websocket'
import {
  fastify,
  type FastifyInstance,
  type FastifyBaseLogger,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from 'fastify'
import { jsonSchemaTransform, serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import { newHexId } from '../sign-in/codes.ts'
import type { Access } from './identity.ts'
import { registerGuards, type GuardOptions } from './guards.ts'
import { registerIdempotency } from './idempotency.ts'
import type { ApiPorts } from './ports.ts'
import { registerProblems } from './problems.ts'
import { registerAlerts } from './routes/alerts.ts'
import { registerBackups } from './routes/backups.ts'
import { registerHost } from './routes/host.ts'
import { registerMoney } from './routes/money.ts'
import { registerOverview } from './routes/overview.ts'
import { registerVmMetrics } from './routes/vm-metrics.ts'
import { registerAudit } from './routes/audit.ts'
import { registerConsole } from './routes/console.ts'
import { registerIssues } from './routes/issues.ts'
import { registerLoginRequests } from './routes/login-requests.ts'
import { registerPlans } from './routes/plans.ts'
import { registerPublicIpv6 } from './routes/public-ipv6.ts'
import { registerPurchases } from './routes/purchases.ts'
import { registerRates } from './routes/rates.ts'
import { registerRpc } from './routes/rpc.ts'
import { registerSessions } from './routes/sessions.ts'
import { registerSshCertificates } from './routes/ssh-certificates.ts'
import { registerStatus } from './routes/status.ts'
import { registerSubscriptions } from './routes/subscriptions.ts'
import { registerTasks } from './routes/tasks.ts'
import { registerVms } from './routes/vms.ts'
import { registerWasm } from './routes/wasm.ts'
import { consoleFrameBytes } from './schemas/console.ts'

/** The server as routes see it: schemas are zod. */
export type ApiServer = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>

export interface ApiOptions extends GuardOptions {
  /** More routes of this door, such as `/v1/setup` on the operator's socket. They pass the same guards. */
  extend?: readonly ((app: ApiServer, ports: ApiPorts) => void)[]
  /** Told of every route (the route snapshot of the tests). */
  onRoute?(route: { method: string; url: string; access: Access; acts: string | undefined }): void
}

export const bodyLimit = 256 * 1024

/** The API behind one door, ready to `listen`. Two doors share one `ports`. Throws if a route names nobody who may call it. */
export async function createApi(ports: ApiPorts, options: ApiOptions = { door: 'public' }): Promise<ApiServer> {
  const app = fastify({
    bodyLimit,
    genReqId: newHexId,
    requestTimeout: 30_000,
    // Node swaps the two limits where that of the headers is the larger (its default is 60 s), and looks every 30 s only
    http: { headersTimeout: 15_000, requestTimeout: 30_000, connectionsCheckingInterval: 5000 },
    connectionTimeout: 0,
    keepAliveTimeout: 150_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 200 },
    ajv: { customOptions: { removeAdditional: false } },
  }).withTypeProvider<ZodTypeProvider>()
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  // before the guards: only so are the sockets of refused upgrades closed
  await app.register(websocket, {
    options: { maxPayload: consoleFrameBytes, perMessageDeflate: false },
    // a line that breaks is an everyday end: its console is closed by the close that follows
    errorHandler: (_, socket) => socket.terminate(),
  })
  registerProblems(app as unknown as FastifyInstance, ports)
  registerGuards(app as unknown as FastifyInstance, ports, options)
  registerIdempotency(app as unknown as FastifyInstance, ports)
  // a route is never open by omission (I3)
  const unnamed: string[] = []
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config?.access === undefined) unnamed.push(url)
    for (const one of [method].flat()) {
      if (one !== 'HEAD') options.onRoute?.({ method: one, url, access: config?.access ?? 'host', acts: config?.acts })
    }
  })
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.1',
      info: { title: 'Freehold', version: ports.host.version },
      servers: [{ url: ports.host.origin }],
    },
    transform: jsonSchemaTransform,
  })
  const resources = [
    registerStatus,
    registerPlans,
    registerPurchases,
    registerSubscriptions,
    registerVms,
    registerConsole,
    registerTasks,
    registerLoginRequests,
    registerSessions,
    registerSshCertificates,
    registerIssues,
    registerAudit,
    registerOverview,
    registerHost,
    registerMoney,
    registerAlerts,
    registerRates,
    registerBackups,
    registerVmMetrics,
    registerPublicIpv6,
    registerRpc,
    registerWasm,
    ...(options.extend ?? []),
  ]
  await app.register((scope, _, done) => {
    for (const register of resources) register(scope as unknown as ApiServer, ports)
    scope.get('/v1/openapi.json', { config: { access: 'public' }, schema: { hide: true } }, () => app.swagger())
    done()
  })
  await app.ready()
  if (unnamed.length > 0) {
    await app.close()
    throw new Error(`these routes name nobody who may call them: ${unnamed.join(', ')}`)
  }
  return app as unknown as ApiServer
}
