'use client'
import { sectionNames } from '@freehold/appliance/api/schemas/setup-wizard'
import { useRouter, useSearchParams } from 'next/navigation'
import { Suspense, useEffect, useRef, useState, type ReactNode } from 'react'
import { hasCode } from '../api/failure.ts'
import { useHost } from '../api/host-context.tsx'
import { useResource } from '../api/use-resource.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { PageHeading } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Notice } from '../ui/Notice.tsx'
import { SkeletonCard } from './SkeletonCard.tsx'
import { CodeForm } from './CodeForm.tsx'
import { Done, type BackupAnswered } from './Done.tsx'
import type { Problem } from './FormError.tsx'
import { setupApi, type SectionName } from './resources.ts'
import { Review } from './Review.tsx'
import { Run } from './Run.tsx'
import { SectionPage } from './SectionPage.tsx'
import { Steps, type Place } from './Steps.tsx'

/** The wizard. The host says what is next; `?page=` is where the person looks (W6, X10). */
export function SetupPage() {
  return (
    <Suspense>
      <Wizard />
    </Suspense>
  )
}

function Wizard() {
  const { t } = useTexts()
  const { status } = useHost()
  const router = useRouter()
  const asked = useSearchParams().get('page')
  const entry = useResource('setup entry', setupApi.entry)
  const entered = entry.data?.entered === true
  // once in, what was seen stays: a session that ends must not take away what is typed
  const [been, setBeen] = useState(false)
  if (entered && !been) setBeen(true)
  const view = useResource(entered || been ? 'setup view' : null, setupApi.view, 2000)
  const { reload } = view
  // what the review found wrong stands at the fields when somebody goes there
  const [refused, setRefused] = useState<readonly Problem[]>([])
  const open = status?.storefront === 'open'
  const lost = hasCode(view.error, 'not-signed-in')
  const reloadEntry = entry.reload
  useEffect(() => {
    if (lost) reloadEntry()
  }, [lost, reloadEntry])

  // by the address of the machine the host answers no more: it has a name now
  const moved = [entry.error, view.error].some((error) => hasCode(error, 'misdirected'))
  const answered = (name: SectionName) => view.data?.sections.find((one) => one.name === name)?.value
  const named = answered('address')?.['origin']
  const owner = (answered('people')?.['roles'] as { owner?: string } | undefined)?.owner
  const backup = answered('backup')?.['backup'] as BackupAnswered | undefined
  if (moved && typeof named === 'string') return <Done origin={named} owner={owner} backup={backup} />
  if (open && (hasCode(entry.error, 'not-found') || hasCode(view.error, 'not-found'))) {
    return <Done origin={status.origin} owner={owner} backup={backup} />
  }
  const title = <PageHeading title={t('setup.heading')} lead={t('setup.lead')} />
  if (entry.data === undefined) {
    return (
      <div className="space-y-8">
        {title}
        {entry.error === undefined ? <SkeletonCard /> : <ErrorBox error={entry.error} />}
      </div>
    )
  }
  const enter = () => {
    entry.reload()
    reload()
  }
  if (!entered && view.data === undefined) {
    return (
      <div className="space-y-8">
        {title}
        <CodeForm
          left={entry.data.left}
          first
          onEntered={(purpose) => {
            if (purpose === 'back') router.push('/setup?page=existing')
            enter()
          }}
        />
      </div>
    )
  }
  if (view.data === undefined) {
    return (
      <div className="space-y-8">
        {title}
        {view.error === undefined ? <SkeletonCard /> : <ErrorBox error={view.error} />}
      </div>
    )
  }
  const { data } = view
  // while it runs there is one page; else a page that was asked for, or the first that is open
  const wanted: Place = data.next === 'run' ? 'run' : placeOf(asked, data.next)
  const place = wanted === 'run' && data.task === null ? data.next : wanted
  const go = (to: Place) => {
    router.push(`/setup?page=${to}`)
    reload()
  }
  const section = data.sections.find((one) => one.name === place)
  return (
    <div className="space-y-8">
      {title}
      {!entered && (
        <>
          <Notice tone="warn" live title={t('setup.sessionEnded.title')}>
            <p>{t('setup.sessionEnded.text')}</p>
          </Notice>
          <CodeForm left={entry.data.left} onEntered={enter} />
        </>
      )}
      <div className="grid gap-8 lg:grid-cols-[15rem_1fr]" inert={!entered}>
        <Steps view={data} place={place} onGo={go} />
        <Stage place={place}>
          {section !== undefined && (
            <SectionPage
              key={section.name}
              section={section}
              sections={data.sections}
              refused={refused}
              onSaved={async () => {
                setRefused([])
                // what leans on this answer is to be looked at again: the host knows by now, this page not yet
                const { sections } = await setupApi.view()
                const at = sections.findIndex((one) => one.name === section.name)
                const after = [...sections.slice(at + 1), ...sections.slice(0, at)]
                go(after.find((one) => one.state !== 'answered')?.name ?? 'review')
              }}
            />
          )}
          {place === 'review' && <Review view={data} onGo={go} onRefused={setRefused} />}
          {place === 'run' && <Run view={data} onGo={go} reload={reload} />}
        </Stage>
      </div>
    </div>
  )
}

/** Where the pages of the wizard come and go. The path stays the same, so the frame moves no focus: it goes to the new heading (X13). */
function Stage({ place, children }: { place: Place; children: ReactNode }) {
  const stage = useRef<HTMLDivElement>(null)
  const seen = useRef(place)
  useEffect(() => {
    if (seen.current === place) return
    seen.current = place
    const heading = stage.current?.querySelector<HTMLElement>('h2') ?? stage.current
    if (heading === null) return
    heading.tabIndex = -1
    heading.focus()
  }, [place])
  return (
    <div ref={stage} className="min-w-0">
      {children}
    </div>
  )
}

const sectionsAndReview: readonly string[] = [...sectionNames, 'review', 'run']

function placeOf(asked: string | null, next: Place): Place {
  return asked !== null && sectionsAndReview.includes(asked) ? (asked as SectionName | 'review' | 'run') : next
}
