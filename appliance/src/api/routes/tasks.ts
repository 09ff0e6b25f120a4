import { z } from 'zod'
import { AppError } from '../../errors/app-error.ts'
import type { TaskRecord } from '../../steps/step.ts'
import type { ApiServer } from '../app.ts'
import { holdingFor } from '../holdings.ts'
import { isOperator, type Caller } from '../identity.ts'
import type { ApiPorts } from '../ports.ts'
import { pageQuerySchema } from '../schemas/values.ts'
import { taskLogSchema, taskSchema, tasksPageSchema } from '../schemas/tasks.ts'
import { createSlots } from '../../sign-in/allowance.ts'
import { taskView } from '../views/task-view.ts'

const params = z.strictObject({ taskId: z.string().max(100) })
const listQuery = pageQuerySchema.extend({ subject: z.string().max(100).optional() }).strict()

/** GET /v1/tasks, /v1/tasks/{id}, its log and its events (SSE): the holder's of own VMs, the operator's all. */
export function registerTasks(app: ApiServer, ports: ApiPorts): void {
  const streams = createSlots(20)

  function mustSee(caller: Caller, subject: string): void {
    if (!isOperator(caller, ports)) holdingFor(caller, subject, ports)
  }

  async function taskFor(caller: Caller, taskId: string): Promise<TaskRecord> {
    const task = await ports.store.tasks.get(taskId)
    const none = () => new AppError({ code: 'not-found', detail: `There is no task ${taskId} of yours.` })
    if (task === undefined) throw none()
    try {
      mustSee(caller, task.subject)
    } catch {
      throw none()
    }
    return ports.tasks.live(task)
  }

  app.get(
    '/v1/tasks',
    { config: { access: 'signed-in' }, schema: { querystring: listQuery, response: { 200: tasksPageSchema } } },
    async ({ caller, query: { subject, cursor, limit } }) => {
      if (subject !== undefined) mustSee(caller, subject)
      else if (!isOperator(caller, ports)) {
        throw new AppError({ code: 'bad-input', detail: 'Name the VM.', fields: [{ pointer: '/subject', detail: 'is missing' }] })
      }
      const page = await ports.store.tasks.list({ cursor, limit, ...(subject !== undefined && { subject }) })
      return { items: page.items.map((task) => taskView(ports.tasks.live(task))), nextCursor: page.nextCursor }
    },
  )

  app.get(
    '/v1/tasks/:taskId',
    { config: { access: 'signed-in' }, schema: { params, response: { 200: taskSchema } } },
    async (request) => taskView(await taskFor(request.caller, request.params.taskId)),
  )

  app.get(
    '/v1/tasks/:taskId/log',
    { config: { access: 'signed-in' }, schema: { params, response: { 200: taskLogSchema } } },
    async (request) => {
      const { taskId } = await taskFor(request.caller, request.params.taskId)
      return { lines: (await ports.store.tasks.logSince(taskId)).map(({ at, line }) => ({ at, line })) }
    },
  )

  app.get(
    '/v1/tasks/:taskId/events',
    {
      config: { access: 'signed-in' },
      schema: { params, description: 'Server-sent events: `task` (the task) and `log` ({at, line}). Ends with the task.' },
    },
    async (request, reply) => {
      const { taskId } = request.params
      const task = await taskFor(request.caller, taskId)
      const leave = streams.enter(request.clientAddress)
      if (leave === undefined)
        throw new AppError({ code: 'too-many-requests', detail: 'Too many event streams are open.', retryAfterSeconds: 5 })
      reply.hijack()
      const { raw } = reply
      raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-request-id': request.id })
      const send = (event: string, data: object): void => void raw.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
      const end = (): void => void raw.end()
      // a session proves an address: the right is looked up again at whatever is sent (design.md §8)
      const mayStay = (): boolean => {
        try {
          mustSee(request.caller, task.subject)
          return true
        } catch {
          end()
          return false
        }
      }
      // listens first, then tells what was: nothing falls between
      const unsubscribe = ports.tasks.subscribe((event) => {
        if ((event.type === 'log' ? event.taskId : event.task.taskId) !== taskId || !mayStay()) return
        if (event.type === 'log') send('log', { at: event.at, line: event.line })
        else {
          send('task', taskView(event.task))
          if (event.task.state !== 'running') end()
        }
      })
      const alive = setInterval(() => mayStay() && raw.write(': alive\n\n'), 15_000).unref()
      raw.on('close', () => {
        clearInterval(alive)
        unsubscribe()
        leave()
      })
      for (const { at, line } of await ports.store.tasks.logSince(taskId)) send('log', { at, line })
      const newest = ports.tasks.live((await ports.store.tasks.get(taskId)) ?? task)
      send('task', taskView(newest))
      if (newest.state !== 'running') end()
    },
  )
}
