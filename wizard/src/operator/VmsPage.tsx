'use client'
import type { Rental } from '@freehold/appliance/api/schemas/operator'
import { useRouter, useSearchParams } from 'next/navigation'
import { useMemo, useState } from 'react'
import { useNow } from '../api/host-context.tsx'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Card } from '../ui/Card.tsx'
import { Empty } from '../ui/Empty.tsx'
import { TextField } from '../ui/Field.tsx'
import { Badge } from '../ui/Notice.tsx'
import { SelectField } from '../ui/SelectField.tsx'
import { Table } from '../ui/Table.tsx'
import { stateTones } from '../vms/vm-texts.ts'
import { filterRentals } from './filter-rentals.ts'
import { operatorApi } from './operator-api.ts'
import { OperatorPage } from './OperatorPage.tsx'
import { useVmColumns } from './use-vm-columns.tsx'

const perPage = 30

/** `/operator/vms`: every VM, filtered by text and state; `?q= &state= &page=` are the state of the page (X10). */
export function VmsPage() {
  const { t } = useTexts()
  return (
    <OperatorPage
      title={t('operator.nav.vms')}
      behind={{ api: 'GET /v1/rentals' }}
      name="rentals"
      load={operatorApi.rentals}
      everyMs={15_000}
    >
      {(rentals) =>
        rentals.length === 0 ? (
          <Empty
            title={t('operator.vms.none.title')}
            text={t('operator.vms.none.text')}
            action={{ href: '/operator/plans', label: t('operator.vms.none.action') }}
          />
        ) : (
          <List rentals={rentals} />
        )
      }
    </OperatorPage>
  )
}

function List({ rentals }: { rentals: readonly Rental[] }) {
  const { t, when, locale } = useTexts()
  const now = useNow()
  const router = useRouter()
  const asked = useSearchParams()
  // what is typed shows at once; the address follows
  const [text, setText] = useState(asked.get('q') ?? '')
  const [state, setState] = useState(asked.get('state') ?? '')
  const [page, setPage] = useState(Math.max(0, Number(asked.get('page') ?? 1) - 1) || 0)
  const columns = useVmColumns<Rental>()
  const found = useMemo(() => filterRentals(rentals, text, state), [rentals, text, state])
  const states = useMemo(() => [...new Set(rentals.map((r) => r.state))], [rentals])
  const pages = Math.max(1, Math.ceil(found.length / perPage))
  const shown = Math.min(page, pages - 1)

  function go(next: { text?: string; state?: string; page?: number }) {
    const to = { text, state, page: 0, ...next }
    setText(to.text)
    setState(to.state)
    setPage(to.page)
    const query = new URLSearchParams({
      ...(to.text !== '' && { q: to.text }),
      ...(to.state !== '' && { state: to.state }),
      ...(to.page > 0 && { page: String(to.page + 1) }),
    }).toString()
    router.replace(`/operator/vms${query === '' ? '' : `?${query}`}`, { scroll: false })
  }

  return (
    <Card className="space-y-5">
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          label={t('operator.vms.search')}
          hint={t('operator.vms.search.hint')}
          value={text}
          maxLength={100}
          onChange={(e) => go({ text: e.target.value })}
        />
        <SelectField
          label={t('operator.vms.state')}
          hint={t('operator.vms.state.hint')}
          value={state}
          onChange={(value) => go({ state: value })}
          options={[
            { value: '', label: t('operator.vms.state.all') },
            ...states.map((s) => ({ value: s, label: t(`state.${s}`) })),
          ]}
        />
      </div>
      <p role="status" className="text-soft">
        {t('operator.vms.found', { count: found.length })}
      </p>
      {found.length === 0 ? (
        <Button look="secondary" onClick={() => go({ text: '', state: '' })}>
          {t('operator.vms.clear')}
        </Button>
      ) : (
        <Table
          caption={t('operator.nav.vms')}
          rows={found.slice(shown * perPage, (shown + 1) * perPage)}
          keyOf={(row) => row.vmId}
          columns={[
            columns.vm,
            {
              id: 'state',
              label: t('operator.vms.state'),
              cell: (row) => <Badge tone={stateTones[row.state]}>{t(`state.${row.state}`)}</Badge>,
            },
            columns.plan,
            columns.holder,
            {
              id: 'ends',
              label: t('vm.ends'),
              cell: (row) => (row.expiresAt === 0 ? t('operator.vms.notYet') : when(row.expiresAt, now)),
            },
          ]}
        />
      )}
      {pages > 1 && (
        <nav aria-label={t('operator.pages')} className="flex flex-wrap items-start gap-4">
          <Button
            look="secondary"
            disabledReason={shown === 0 ? t('operator.pages.first') : undefined}
            onClick={() => go({ page: shown - 1 })}
          >
            {t('operator.pages.back')}
          </Button>
          <span className="flex min-h-11 items-center tabular">
            {t('operator.pages.of', {
              page: new Intl.NumberFormat(locale).format(shown + 1),
              pages: new Intl.NumberFormat(locale).format(pages),
            })}
          </span>
          <Button
            look="secondary"
            disabledReason={shown === pages - 1 ? t('operator.pages.last') : undefined}
            onClick={() => go({ page: shown + 1 })}
          >
            {t('operator.pages.next')}
          </Button>
        </nav>
      )}
    </Card>
  )
}
