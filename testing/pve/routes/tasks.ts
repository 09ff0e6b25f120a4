import { flagged, optional, text, WithSiblings, type Context, type Routes } from '../context.ts'
import { badParameter } from '../refusal.ts'
import type { Task } from '../world.ts'

function taskOf(c: Context): Task {
  const upid = text(c, 'upid')
  if (!/^UPID:[^:]+:[0-9A-F]{8,9}:[0-9A-F]{8,9}:[0-9A-F]{8}:[^:]+:[^:]*:[^:]+:$/.test(upid)) {
    throw badParameter({ upid: 'unable to parse worker upid' })
  }
  const task = c.world.tasks.get(upid)
  if (task === undefined || task.lost) throw badParameter({ upid: 'no such task' })
  if (!isOwn(c, task)) c.access.require(c.caller, `/nodes/${task.node}`, 'Sys.Audit')
  return task
}

function isOwn(c: Context, task: Task): boolean {
  return task.user === c.caller.user
}

function listed(task: Task): Record<string, unknown> {
  return {
    id: task.id,
    node: task.node,
    pid: task.pid,
    pstart: task.pstart,
    starttime: task.starttime,
    type: task.type,
    upid: task.upid,
    user: task.user,
    ...(task.tokenid !== undefined && { tokenid: task.tokenid }),
    ...(task.endtime !== undefined && { endtime: task.endtime, status: task.exit }),
  }
}

/** Tasks: a list, their status, their log; stopping one. */
export const taskRoutes: Routes = {
  'GET /nodes/{node}/tasks': (c) => {
    const source = optional(c, 'source') ?? 'archive'
    const audit = c.access.may(c.caller, `/nodes/${text(c, 'node')}`, 'Sys.Audit')
    const found = [...c.world.tasks.values()].filter(
      (task) =>
        !task.lost &&
        task.node === text(c, 'node') &&
        (audit || isOwn(c, task)) &&
        (source === 'all' || (source === 'active') === (task.endtime === undefined)) &&
        (optional(c, 'vmid') === undefined || task.id === optional(c, 'vmid')) &&
        (optional(c, 'typefilter') === undefined || task.type.startsWith(text(c, 'typefilter'))) &&
        (optional(c, 'userfilter') === undefined || `${task.user}!${task.tokenid ?? ''}`.includes(text(c, 'userfilter'))) &&
        (!flagged(c, 'errors') || (task.exit !== undefined && task.exit !== 'OK')) &&
        (optional(c, 'since') === undefined || task.starttime >= Number(optional(c, 'since'))),
    )
    const data = found.toReversed().slice(0, Number(optional(c, 'limit') ?? 50))
    return new WithSiblings({ data: data.map(listed), total: found.length })
  },
  'GET /cluster/tasks': (c) =>
    [...c.world.tasks.values()]
      .filter((task) => isOwn(c, task) || c.access.may(c.caller, `/nodes/${task.node}`, 'Sys.Audit'))
      .toReversed()
      .slice(0, 25)
      .map((task) => {
        const { pid: _, pstart: __, ...rest } = listed(task)
        return { ...rest, saved: '1' }
      }),
  'GET /nodes/{node}/tasks/{upid}/status': (c) => {
    const task = taskOf(c)
    const { endtime: _, status: __, ...rest } = listed(task)
    return {
      ...rest,
      status: task.endtime === undefined ? 'running' : 'stopped',
      ...(task.exit !== undefined && { exitstatus: task.exit }),
    }
  },
  'GET /nodes/{node}/tasks/{upid}/log': (c) => {
    const known = c.world.tasks.get(text(c, 'upid'))
    const lines = known === undefined || known.lost ? ['unable to open file - No such file or directory'] : taskOf(c).lines
    const start = Number(optional(c, 'start') ?? 0)
    const shown = lines.slice(start, start + Number(optional(c, 'limit') ?? 50))
    return new WithSiblings({ data: shown.map((t, i) => ({ n: start + i + 1, t })), total: lines.length })
  },
  'DELETE /nodes/{node}/tasks/{upid}': (c) => {
    taskOf(c).stopped.abort()
  },
}
