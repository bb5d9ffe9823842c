# The image of one service: `npm run images` builds all of them, or by hand
#
#   docker build -f Dockerfiles/service.Dockerfile --build-arg SERVICE=ingress -t sluice/ingress .
#
# The command line knows every service, and is in each image for `kubectl exec`: so all images hold the same files, in the same
# layers, and a node fetches them once. They differ in the one file that says which service starts, and in their labels.
# Nothing here needs more than a plain builder: docker, podman and buildah take it alike.
ARG BASE_IMAGE=docker.io/library/node:24-bookworm-slim

FROM ${BASE_IMAGE} AS build
ARG PNPM_VERSION=12.21.0
RUN npm install --global --no-audit --no-fund --ignore-scripts pnpm@${PNPM_VERSION}
WORKDIR /src
# The packages from outside change less often than the sources: they have a layer of their own.
COPY pnpm-lock.yaml pnpm-workspace.yaml ./
RUN pnpm fetch --prod
COPY . .
# Node.js strips types, but not below node_modules, where the packages of the workspace come to lie.
RUN node Dockerfiles/build/compile.ts . \
 && pnpm --filter @sluice/cli --prod --offline deploy /out \
 && node Dockerfiles/build/arrange.ts /out /start

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="Sluice" \
      org.opencontainers.image.description="An SMTP gateway for Kubernetes: durable spool, metered delivery, notices that tell why" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.documentation="The README.md and docs of the project"
COPY --from=build /out /app
COPY --from=build /start/sluice /usr/local/bin/sluice
WORKDIR /app
# Where the chart mounts things. The command line finds them, too: `kubectl exec POD -- sluice queue`.
ENV NODE_ENV=production \
    SLUICE_CONFIG=/etc/sluice/config/sluice.yaml \
    SLUICE_DATA=/data \
    MALLOC_ARENA_MAX=1
USER 1000:1000
STOPSIGNAL SIGTERM
# No shell, and nothing written but to /data and /tmp where they are mounted. The flags and MALLOC_ARENA_MAX are those of packages/runtime/src/node-flags.ts.
ENTRYPOINT ["/usr/local/bin/node", "--no-warnings", "--max-semi-space-size=8", "--initial-old-space-size=72", "/app/main.js"]

ARG SERVICE
COPY --from=build /start/${SERVICE}.js /app/main.js
ARG BASE_IMAGE
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      sluice.service="${SERVICE}"
