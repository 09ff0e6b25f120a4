import type { ApiServer } from '../app.ts'
import type { ApiPorts } from '../ports.ts'
import { issuesSchema } from '../schemas/issues.ts'

/** GET /v1/issues: declared issues that stand now. For the operator. */
export function registerIssues(app: ApiServer, ports: ApiPorts): void {
  app.get('/v1/issues', { config: { access: 'operator' }, schema: { response: { 200: issuesSchema } } }, async () => ({
    issues: [...(await ports.issues())],
  }))
}
