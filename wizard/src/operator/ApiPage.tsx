'use client'
import { useState } from 'react'
import { useTexts } from '../i18n/text-context.tsx'
import { Card } from '../ui/Card.tsx'
import { TextField } from '../ui/Field.tsx'
import { textLink } from '../ui/link-button.ts'
import { operatorApi, type OpenApi } from './operator-api.ts'
import { OperatorPage } from './OperatorPage.tsx'

/** `/operator/api`: every call of this host, from the document that it serves of itself. */
export function ApiPage() {
  const { t } = useTexts()
  return (
    <OperatorPage
      title={t('operator.nav.api')}
      lead={t('operator.api.lead')}
      aside={
        <a href="/v1/openapi.json" download="freehold-openapi.json" className={textLink}>
          {t('operator.api.download')}
        </a>
      }
      behind={{ api: 'GET /v1/openapi.json' }}
      name="openapi"
      load={operatorApi.openApi}
    >
      {(document) => <Reference document={document} />}
    </OperatorPage>
  )
}

function Reference({ document }: { document: OpenApi }) {
  const { t } = useTexts()
  const [text, setText] = useState('')
  const calls = Object.entries(document.paths)
    .flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })))
    .filter(({ path, method }) => `${method} ${path}`.toLowerCase().includes(text.trim().toLowerCase()))
    .toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  return (
    <Card className="space-y-5">
      <TextField label={t('operator.api.search')} value={text} maxLength={100} onChange={(e) => setText(e.target.value)} />
      <p role="status" className="text-soft">
        {t('operator.api.found', { count: calls.length })}
      </p>
      <ul className="divide-y divide-line">
        {calls.map(({ path, method, operation }) => (
          <li key={`${method} ${path}`}>
            <details className="py-2">
              <summary className="min-h-9 cursor-pointer py-1 font-mono text-sm break-all">
                <span className="font-semibold">{method.toUpperCase()}</span> {path}
              </summary>
              <div className="space-y-3 py-2 pl-4">
                {operation.description !== undefined && <p>{operation.description}</p>}
                {(operation.parameters ?? []).length > 0 && (
                  <ul className="list-disc pl-5 text-sm">
                    {operation.parameters?.map((p) => (
                      <li key={`${p.in} ${p.name}`}>
                        <code className="font-mono">{p.name}</code>{' '}
                        <span className="text-soft">
                          {t(p.required === true ? 'operator.api.required' : 'operator.api.optional', { place: p.in })}
                        </span>
                      </li>
                    ))}
                  </ul>
                )}
                {operation.requestBody !== undefined && <Schema title={t('operator.api.body')} value={operation.requestBody} />}
                <Schema title={t('operator.api.answers')} value={operation.responses ?? {}} />
              </div>
            </details>
          </li>
        ))}
      </ul>
    </Card>
  )
}

function Schema({ title, value }: { title: string; value: unknown }) {
  return (
    <div>
      <p className="text-sm font-medium">{title}</p>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a box that scrolls must be reachable by keyboard */}
      <pre
        tabIndex={0}
        role="group"
        aria-label={title}
        className="mt-1 max-h-72 overflow-auto rounded-lg border border-line bg-sunk px-3 py-2 font-mono text-xs"
      >
        {JSON.stringify(value, null, 2)}
      </pre>
    </div>
  )
}
