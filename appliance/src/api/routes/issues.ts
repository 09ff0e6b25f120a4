import { z } from 'zod'
import type { VmId } from '../../chain/installation.ts'
import { AppError } from '../../errors/app-error.ts'
import type { ApiServer } from '../app.ts'
import { deskOf } from '../desk.ts'
import { nameOf } from '../identity.ts'
import type { ApiPorts, OperatorDesk } from '../ports.ts'
import { issuesSchema } from '../schemas/issues.ts'
import { fixRequestSchema, fixSchema } from '../schemas/operator.ts'

/** What one press can set right. Everything else is told by the remedy, and the page leads to where it is done. */
const fixes = new Map<string, (desk: OperatorDesk, subjects: readonly string[]) => Promise<string>>([
  [
    'destroys-waiting',
    async (desk, vmIds) => {
      await desk.allowDestroys(vmIds as VmId[])
      return vmIds.length === 1 ? 'One VM may be destroyed.' : `${vmIds.length} VMs may be destroyed.`
    },
  ],
])

/** GET /v1/issues: declared issues that stand now; POST /v1/issues/{code}/fixes. For the operator. */
export function registerIssues(app: ApiServer, ports: ApiPorts): void {
  app.get('/v1/issues', { config: { access: 'operator' }, schema: { response: { 200: issuesSchema } } }, async () => ({
    issues: [...(await ports.issues())],
  }))

  app.post(
    '/v1/issues/:code/fixes',
    {
      config: { access: 'operator', acts: 'key' },
      schema: {
        params: z.strictObject({ code: z.string().max(40) }),
        body: fixRequestSchema,
        response: { 200: fixSchema },
      },
    },
    async ({ caller, params: { code }, body }) => {
      const fix = fixes.get(code)
      if (fix === undefined) throw new AppError({ code: 'not-found', detail: `There is no fix for ${code} that one press does.` })
      const standing = (await ports.issues()).filter((issue) => issue.code === code).map((issue) => issue.subject)
      const subjects = [...new Set(body.subjects)].filter((subject) => standing.includes(subject))
      if (subjects.length === 0) {
        throw new AppError({ code: 'not-in-this-state', detail: `The issue ${code} does not stand any more.` })
      }
      const done = await fix(deskOf(ports), subjects)
      await ports.store.audit.append({
        who: nameOf(caller),
        what: `fix ${code}`,
        target: 'host',
        result: done,
        transactionHash: null,
      })
      return { done }
    },
  )
}
