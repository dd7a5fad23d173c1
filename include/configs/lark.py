# Where a team's chat robot listens. In an evaluation:
#   with read_base():
#       from .lark import lark_bot_url
# The address is as good as a password, so it is taken from the environment and stands in no file.
import os

lark_bot_url = os.environ.get('OPENCOMPASS_LARK_BOT_URL')
