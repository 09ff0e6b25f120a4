import { test } from 'node:test'
import { AppError } from '../errors/app-error.ts'
import { errorCatalogue, type ErrorCode } from '../errors/catalogue.ts'
import { toProblem } from '../errors/problem.ts'

// words are designed: a change is a visible diff. After one on purpose: node --test --test-update-snapshots src/api/error-texts.test.ts
test('X1 every error as a stranger reads it', (t) => {
  const problems = (Object.keys(errorCatalogue) as ErrorCode[]).sort().map((code) => {
    const { title, status, hint, retryable, type } = toProblem(new AppError({ code, detail: 'Detail.' }), {
      instance: '/',
      requestId: '-',
    })
    return { code, status, retryable, title, hint, type }
  })
  t.assert.snapshot(problems)
})

test('what is no AppError says nothing of itself', (t) => {
  t.assert.snapshot(toProblem(new TypeError('secret path /etc/shadow'), { instance: '/v1/vms', requestId: 'r' }))
})
