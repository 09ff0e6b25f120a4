import { isIP } from 'node:net'
import { z } from 'zod'
import { AppError } from '../../errors/app-error.ts'
import type { OneTimeCode } from '../../setup/wizard/one-time-code.ts'
import { setupSessionSeconds, type SetupSessions } from '../../setup/wizard/setup-sessions.ts'
import type { EnrolmentRequest } from '../../setup/wizard/proxmox-page.ts'
import type { Wizard } from '../../setup/wizard/wizard-service.ts'
import type { ApiServer } from '../app.ts'
import { cookieLine, cookiesOf, setupCookie } from '../identity.ts'
import {
  answerBodySchema,
  answerFileSchema,
  changesSchema,
  checkBodySchema,
  checksSchema,
  enrolledSchema,
  enrolmentBodySchema,
  enrolmentPlanSchema,
  enterBodySchema,
  enteredSchema,
  entrySchema,
  networkSchema,
  runBodySchema,
  sectionNames,
  sectionSchema,
  setupLogSchema,
  storagesSchema,
  triedNetworkSchema,
  tryNetworkBodySchema,
  walletSentSchema,
  wizardSchema,
} from '../schemas/setup-wizard.ts'
import { taskSchema } from '../schemas/tasks.ts'
import { taskView } from '../views/task-view.ts'

export interface SetupWizardPorts {
  version: string
  code: OneTimeCode
  sessions: SetupSessions
  wizard: Wizard
}

const params = z.strictObject({ section: z.enum(sectionNames) })
const nothing = z.strictObject({})

function requestOf({ hypervisor, ...rest }: z.output<typeof enrolmentBodySchema>): EnrolmentRequest {
  if (hypervisor.kind === 'proxmox') return { hypervisor, ...rest }
  throw new AppError({
    code: 'bad-input',
    detail: 'Only Proxmox is enrolled with.',
    fields: [{ pointer: '/hypervisor/kind', detail: 'only Proxmox is enrolled with' }],
  })
}

/** `/v1/setup/*` of the pages: at the door of a host that is not set up, as an `extend` of `createApi`. */
export function registerSetupWizard({ version, code, sessions, wizard }: SetupWizardPorts): (app: ApiServer) => void {
  return (app) => {
    app.get('/v1/setup/entry', { config: { access: 'public' }, schema: { response: { 200: entrySchema } } }, async (request) => ({
      entered: await sessions.knows(cookiesOf(request).get(setupCookie)),
      left: code.shown().left,
    }))

    app.post(
      '/v1/setup/entry',
      {
        config: { access: 'public', rate: { limit: 30, windowSeconds: 60 } },
        schema: { body: enterBodySchema, response: { 200: enteredSchema } },
      },
      async ({ body }, reply) => {
        if (sessions.takesOver(body.code)) {
          reply.header('set-cookie', cookieLine(setupCookie, await sessions.begin(), setupSessionSeconds))
          return { entered: true, left: code.shown().left, renewed: false }
        }
        const tried = await code.take(body.code)
        if (!tried.right) return { entered: false, left: tried.left, renewed: tried.renewed }
        reply.header('set-cookie', cookieLine(setupCookie, await sessions.begin(), setupSessionSeconds))
        return { entered: true, left: code.shown().left, renewed: false }
      },
    )

    app.get('/v1/setup/wizard', { config: { access: 'setup' }, schema: { response: { 200: wizardSchema } } }, async () => {
      const { sections, next, task, wallet, nextCertificate, skippable } = await wizard.view()
      return {
        version,
        sections,
        next,
        browsers: await sessions.count(),
        task: task && taskView(task),
        wallet: wallet && { chainId: wallet.chainId, to: wallet.to, data: wallet.data },
        nextCertificate,
        skippable,
      }
    })

    app.put(
      '/v1/setup/answers/:section',
      { config: { access: 'setup' }, schema: { params, body: answerBodySchema, response: { 200: sectionSchema } } },
      ({ params: { section }, body }) => wizard.answer(section, body.value, body.revision),
    )

    app.post(
      '/v1/setup/checks/:section',
      { config: { access: 'setup' }, schema: { params, body: checkBodySchema, response: { 200: checksSchema } } },
      async ({ params: { section }, body, raw }) => {
        // a browser that goes on typing has no use for the old answer
        const gone = new AbortController()
        raw.once(
          'close',
          () => raw.destroyed && gone.abort(new AppError({ code: 'timed-out', detail: 'Nobody waits any more.' })),
        )
        return { checks: await wizard.check(section, body.value, gone.signal) }
      },
    )

    app.get('/v1/setup/network', { config: { access: 'setup' }, schema: { response: { 200: networkSchema } } }, () =>
      wizard.network(),
    )
    app.post(
      '/v1/setup/network/try',
      {
        config: { access: 'setup', acts: 'key' },
        schema: { body: tryNetworkBodySchema, response: { 200: triedNetworkSchema } },
      },
      // the word first: once the address has changed, its asker may never read another answer
      async ({ body }) => ({ word: sessions.handOver(), trial: await wizard.tryNetwork(body.uplink) }),
    )
    app.post(
      '/v1/setup/network/confirm',
      { config: { access: 'setup', acts: 'key' }, schema: { body: nothing, response: { 200: sectionSchema } } },
      ({ headers }) => wizard.confirmNetwork(headers.host ?? ''),
    )

    app.get(
      '/v1/setup/storages',
      { config: { access: 'setup' }, schema: { response: { 200: storagesSchema } } },
      async (request) => {
        const { clientAddress } = request
        const bits = isIP(clientAddress) === 4 ? 32 : isIP(clientAddress) === 6 ? 128 : undefined
        return { places: await wizard.diskPlaces(), you: bits === undefined ? null : `${clientAddress}/${bits}` }
      },
    )
    app.post(
      '/v1/setup/enrolment/plan',
      { config: { access: 'setup' }, schema: { body: enrolmentBodySchema, response: { 200: enrolmentPlanSchema } } },
      ({ body }) => wizard.planEnrolment(requestOf(body)),
    )
    app.post(
      '/v1/setup/enrolment',
      { config: { access: 'setup', acts: 'key' }, schema: { body: enrolmentBodySchema, response: { 200: enrolledSchema } } },
      ({ body }) => wizard.enrol(requestOf(body)),
    )

    app.get('/v1/setup/review', { config: { access: 'setup' }, schema: { response: { 200: changesSchema } } }, () =>
      wizard.review(),
    )

    app.get('/v1/setup/answer-file', { config: { access: 'setup' }, schema: { response: { 200: answerFileSchema } } }, () =>
      wizard.answerFile(),
    )

    app.post(
      '/v1/setup/run',
      { config: { access: 'setup', acts: 'key' }, schema: { body: runBodySchema, response: { 202: taskSchema } } },
      async ({ body }, reply) => reply.code(202).send(taskView(await wizard.run(body.skip))),
    )

    app.post(
      '/v1/setup/undo',
      { config: { access: 'setup', acts: 'key' }, schema: { body: nothing, response: { 202: taskSchema } } },
      async (_, reply) => reply.code(202).send(taskView(await wizard.undo())),
    )

    app.get(
      '/v1/setup/log',
      {
        config: { access: 'setup' },
        schema: {
          querystring: z.strictObject({ after: z.coerce.number().int().min(0).default(0) }),
          response: { 200: setupLogSchema },
        },
      },
      async ({ query }) => ({ lines: (await wizard.log(query.after)).map(({ seq, at, line }) => ({ seq, at, line })) }),
    )

    app.post(
      '/v1/setup/wallet-transaction',
      { config: { access: 'setup', acts: 'key' }, schema: { body: walletSentSchema, response: { 204: z.null() } } },
      async ({ body }, reply) => {
        await wizard.walletSent(body.hash)
        return reply.code(204).send(null)
      },
    )
  }
}
