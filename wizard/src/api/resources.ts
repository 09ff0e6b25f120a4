import { callApi } from './client.ts'
import {
  approvalSchema,
  loginRequestSchema,
  outcomeSchema,
  sessionSchema,
  type Approval,
  type LoginRequestView,
  type SessionView,
} from '@freehold/appliance/api/schemas/sign-in'
import { plansSchema, quoteSchema, statusSchema, type Quote, type Status } from '@freehold/appliance/api/schemas/status'
import { taskSchema, type TaskView } from '@freehold/appliance/api/schemas/tasks'
import {
  purchaseSchema,
  vmSchema,
  vmsPageSchema,
  type Purchase,
  type VmAction,
  type VmView,
} from '@freehold/appliance/api/schemas/vms'
import { z } from 'zod'

export type Plans = z.output<typeof plansSchema>
export type Outcome = z.output<typeof outcomeSchema>
export type VmsPage = z.output<typeof vmsPageSchema>

/** The calls that pages make, each parsed by the schema that the host answers with. All throw as callApi does. */
export const api = {
  status: (signal?: AbortSignal): Promise<Status> => callApi(statusSchema, 'GET', '/v1/status', { signal }),
  plans: (signal?: AbortSignal): Promise<Plans> => callApi(plansSchema, 'GET', '/v1/plans', { signal }),
  quote: (planId: number, token: string, seconds: number, signal?: AbortSignal): Promise<Quote> =>
    callApi(quoteSchema, 'GET', `/v1/quotes?planId=${planId}&token=${token}&seconds=${seconds}`, { signal }),
  purchase: (hash: string, signal?: AbortSignal): Promise<Purchase> =>
    callApi(purchaseSchema, 'GET', `/v1/purchases/${hash}`, { signal }),

  vms: (cursor: string | undefined, signal?: AbortSignal): Promise<VmsPage> =>
    callApi(vmsPageSchema, 'GET', cursor === undefined ? '/v1/vms' : `/v1/vms?cursor=${encodeURIComponent(cursor)}`, { signal }),
  vm: (vmId: string, signal?: AbortSignal): Promise<VmView> =>
    callApi(vmSchema, 'GET', `/v1/vms/${encodeURIComponent(vmId)}`, { signal }),
  act: (vmId: string, action: VmAction, requestId?: string): Promise<TaskView> =>
    callApi(taskSchema, 'POST', `/v1/vms/${encodeURIComponent(vmId)}/actions`, {
      body: { action, ...(requestId !== undefined && { requestId }) },
    }),
  /** Keeps the VM as a former holder left it. */
  keep: (vmId: string, generation: number): Promise<VmView> =>
    callApi(vmSchema, 'POST', `/v1/vms/${encodeURIComponent(vmId)}/keep`, { body: { generation } }),

  newLoginRequest: (act: string, vmId?: string): Promise<LoginRequestView> =>
    callApi(loginRequestSchema, 'POST', '/v1/login-requests', { body: { act, ...(vmId !== undefined && { vmId }) } }),
  loginRequest: (code: string, signal?: AbortSignal): Promise<LoginRequestView> =>
    callApi(loginRequestSchema, 'GET', `/v1/login-requests/${encodeURIComponent(code)}`, { signal }),
  approve: (code: string, address: string, signature: string): Promise<Approval> =>
    callApi(approvalSchema, 'POST', `/v1/login-requests/${encodeURIComponent(code)}/approval`, { body: { address, signature } }),
  deny: (code: string): Promise<unknown> =>
    callApi(outcomeSchema, 'POST', `/v1/login-requests/${encodeURIComponent(code)}/refusal`, { body: {} }),

  /** Waits up to `waitSeconds` for an answer; only for the browser that asked. */
  outcome: (code: string, waitSeconds: number, signal?: AbortSignal): Promise<Outcome> =>
    callApi(outcomeSchema, 'GET', `/v1/login-requests/${encodeURIComponent(code)}/outcome?waitSeconds=${waitSeconds}`, {
      signal,
    }),
  reply: (code: string, reply: string): Promise<Outcome> =>
    callApi(outcomeSchema, 'POST', `/v1/login-requests/${encodeURIComponent(code)}/reply`, { body: { reply } }),

  newSession: (requestId: string): Promise<SessionView> =>
    callApi(sessionSchema, 'POST', '/v1/sessions', { body: { requestId } }),
  sessions: async (signal?: AbortSignal): Promise<SessionView[]> =>
    (await callApi(z.looseObject({ sessions: z.array(sessionSchema) }), 'GET', '/v1/sessions', { signal })).sessions,
  endSession: (sessionId: string): Promise<unknown> =>
    callApi(z.unknown(), 'DELETE', `/v1/sessions/${encodeURIComponent(sessionId)}`),
}
