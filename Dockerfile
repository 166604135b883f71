# One image per service, from one file: docker build --build-arg SERVICE=payment-service .  (or observer: the live page)
# Build and run on the same distribution: better-sqlite3 is compiled against its C library.

FROM node:22-bookworm-slim AS build
# For better-sqlite3, which is compiled where its prebuilt binary cannot be fetched.
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 make g++ \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The project's own scripts need its sources, which come later, so that a change of theirs reinstalls nothing. Node's
# headers are in the image: the build of better-sqlite3 need not fetch them.
RUN npm ci --ignore-scripts \
 && npm_config_nodedir=/usr/local npm rebuild better-sqlite3
# The sources: .dockerignore lets nothing else in.
COPY . .
RUN npm run -s build
# What runs needs neither the compiler nor the sources of SQLite.
RUN npm prune --omit=dev --ignore-scripts \
 && rm -rf node_modules/better-sqlite3/deps node_modules/better-sqlite3/src \
 && find node_modules/better-sqlite3/build -type f ! -name better_sqlite3.node -delete

FROM node:22-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
# A new volume takes the owner of the folder it is mounted on.
RUN mkdir data && chown node:node data
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
# The HTML and the styles of the live page.
COPY --from=build /app/observer/page observer/page
VOLUME /app/data
USER node
# In the container, not on the machine: who may connect is decided where the port is published.
ENV HOST=0.0.0.0
ARG SERVICE=order-service
ENV SERVICE=$SERVICE
# `exec`: node itself gets SIGTERM and stops in order.
CMD ["sh", "-c", "exec node --enable-source-maps dist/$SERVICE/main.js"]
