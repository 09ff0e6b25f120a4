import { z } from 'zod'
import type { ApiServer } from '../app.ts'
import { taskSchema } from '../schemas/tasks.ts'
import { taskView } from '../views/task-view.ts'
import type { TaskRecord } from '../../steps/step.ts'

/** What stands behind the operator's own door while a host is set up and kept. */
export interface SetupPorts {
  review(answers: string): Promise<{ steps: { name: string; estimateSeconds: number; done: boolean }[] }>
  /** Begins, or goes on where it was interrupted; resolves with the task as soon as it exists. */
  begin(answers: string): Promise<TaskRecord>
  rebuild(): Promise<{ vms: number; unmatched: string[] }>
}

const answersBody = z.strictObject({ answers: z.string().max(200_000) })

/** Routes of the host's own socket: setup and rebuild. */
export function registerSetup(setup: SetupPorts): (app: ApiServer) => void {
  return (app) => {
    app.post(
      '/v1/setup/review',
      {
        config: { access: 'host' },
        schema: {
          body: answersBody,
          response: { 200: z.strictObject({ steps: z.array(z.strictObject({ name: z.string(), estimateSeconds: z.number(), done: z.boolean() })) }) },
        },
      },
      (request) => setup.review(request.body.answers),
    )
    app.post('/v1/setup', { config: { access: 'host', acts: 'key' }, schema: { body: answersBody, response: { 202: taskSchema } } }, async (request, reply) => {
      reply.code(202)
      return taskView(await setup.begin(request.body.answers))
    })
    app.post(
      '/v1/rebuild',
      { config: { access: 'host', acts: 'key' }, schema: { body: z.strictObject({}), response: { 200: z.strictObject({ vms: z.number().int(), unmatched: z.array(z.string()) }) } } },
      () => setup.rebuild(),
    )
  }
}
