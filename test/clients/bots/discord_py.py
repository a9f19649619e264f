"""discord.py, whose addresses are constants of its modules: they are set, and nothing else."""

import json
import logging
import os
import sys
import urllib.request

import discord
import yarl

api = os.environ["DISCORD_API_URL"]
discord.http.Route.BASE = api
with urllib.request.urlopen(api + "/gateway") as answer:
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(json.load(answer)["url"])


def say(line):
    print(line, flush=True)


class Problems(logging.Handler):
    def emit(self, record):
        say("problem " + record.getMessage().split("\n")[0])


logging.getLogger("discord").addHandler(Problems(level=logging.WARNING))


class Bot(discord.Client):
    asked = False
    events = 0

    async def on_socket_event_type(self, name):
        say("event " + name)
        self.events += 1
        if self.events >= 100 and not self.asked and self.is_ready():
            self.asked = True
            members = await self.guilds[0].query_members(user_ids=[m.id for m in self.guilds[0].members], cache=False)
            say(f"members {len(members)}")

    async def on_message(self, message):
        if not message.channel.permissions_for(message.guild.me).send_messages:
            say("problem the bot cannot send")

    async def on_error(self, event, *_):
        say(f"problem {event}: {sys.exc_info()[1]!r}")


# It waits for a minute of silence otherwise, and is ready when no guild has come for two seconds: here guilds go and come again.
Bot(intents=discord.Intents.all(), heartbeat_timeout=5, guild_ready_timeout=0.2).run(os.environ["DISCORD_TOKEN"], log_handler=None)
