'use client'
import { Card } from '../ui/Card.tsx'
import { Loading } from '../ui/Loading.tsx'
import { Skeleton } from '../ui/Skeleton.tsx'

/** A page of the wizard while the host is asked. */
export function SkeletonCard() {
  return (
    <Loading>
      <Card>
        <div className="space-y-4">
          <Skeleton className="h-7 w-48" />
          <Skeleton className="h-5 w-full" />
          <Skeleton className="h-11 w-full" />
        </div>
      </Card>
    </Loading>
  )
}
