import type { Stand } from './stand.ts'

/** Faults by name, so that anybody can see them by hand; each strikes again and again. */
export const sentinels: Readonly<Record<string, (stand: Stand) => Promise<void> | void>> = {
  'gateway-595': ({ faults }) =>
    faults.arm({ kind: 'answer', status: 595, reason: 'Connection refused', empty: true }, { method: 'POST', times: 1e9 }),
  'gateway-596': ({ faults }) =>
    faults.arm({ kind: 'answer-after', status: 596, reason: 'Broken pipe', empty: true }, { method: 'POST', times: 1e9 }),
  'gateway-599': ({ faults }) =>
    faults.arm({ kind: 'answer', status: 599, reason: 'Too many redirections', empty: true }, { times: 1e9 }),
  'lost-task': ({ faults }) => faults.arm({ kind: 'task-lost' }, { method: 'POST', times: 1e9 }),
  'locked-vm': ({ faults }) => faults.arm({ kind: 'lock-held' }, { times: 1e9 }),
  'full-storage': ({ faults }) => faults.arm({ kind: 'storage-full' }, { times: 1e9 }),
  'slow-401': ({ faults }) =>
    faults.arm({ kind: 'answer', status: 401, reason: 'Authentication failed!', empty: true }, { times: 1e9 }),
  'expired-certificate': async ({ servers, authority }) => {
    for (const [node, server] of servers) server.setCertificate(await authority.issue(node, { expired: true }))
  },
}
