import { z } from 'zod'
import type { TaskRecord } from '../../steps/step.ts'
import type { OneTimeCode } from '../../setup/wizard/one-time-code.ts'
import type { ApiServer } from '../app.ts'
import { applyBodySchema, rebuiltSchema, reviewSchema, setupBodySchema, setupCodeSchema } from '../schemas/setup.ts'
import { taskSchema } from '../schemas/tasks.ts'
import { taskView } from '../views/task-view.ts'

/** What setup offers here: `SetupService` fits, with the daemon's own rebuild beside it. */
export interface SetupPorts {
  review(answers: string): Promise<z.output<typeof reviewSchema>>
  begin(answers: string, skip: readonly string[]): Promise<TaskRecord>
  undo(): Promise<TaskRecord>
  rebuild(): Promise<z.output<typeof rebuiltSchema>>
  /** The code of the wizard, while there is one. */
  code?(): Pick<OneTimeCode, 'shown' | 'renew'> | undefined
  /** A change of the machine's network that is being tried. */
  trying?(): Promise<{ address: string | null; secondsLeft: number } | null>
}

/** POST /v1/setup/review, /v1/setup, /v1/rebuild: for the operator's own socket, as an `extend` of `createApi`. */
export function registerSetup(setup: SetupPorts): (app: ApiServer) => void {
  return (app) => {
    app.post(
      '/v1/setup/review',
      { config: { access: 'host' }, schema: { body: setupBodySchema, response: { 200: reviewSchema } } },
      ({ body }) => setup.review(body.answers),
    )
    app.post(
      '/v1/setup',
      { config: { access: 'host', acts: 'key' }, schema: { body: applyBodySchema, response: { 202: taskSchema } } },
      async ({ body }, reply) => reply.code(202).send(taskView(await setup.begin(body.answers, body.skip))),
    )
    app.post(
      '/v1/setup/undo',
      { config: { access: 'host', acts: 'key' }, schema: { body: z.strictObject({}), response: { 202: taskSchema } } },
      async (_, reply) => reply.code(202).send(taskView(await setup.undo())),
    )
    const shown = async () => {
      const code = setup.code?.()?.shown()
      return {
        code: code === undefined ? null : { text: code.code, left: code.left, voided: code.voided },
        trying: (await setup.trying?.()) ?? null,
      }
    }
    app.get('/v1/setup/code', { config: { access: 'host' }, schema: { response: { 200: setupCodeSchema } } }, () => shown())
    app.post(
      '/v1/setup/code',
      { config: { access: 'host' }, schema: { body: z.strictObject({}), response: { 200: setupCodeSchema } } },
      async () => {
        await setup.code?.()?.renew()
        return shown()
      },
    )
    app.post(
      '/v1/rebuild',
      { config: { access: 'host', acts: 'key' }, schema: { body: z.strictObject({}), response: { 200: rebuiltSchema } } },
      () => setup.rebuild(),
    )
  }
}
