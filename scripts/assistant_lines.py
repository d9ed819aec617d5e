"""What stock assistants say in a chat, written down by us: what a personality score is to refuse.

Templates; {topic} is a word of the line that is answered.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from model.judging.replies import Reply
from model.judging.words import words

LINES = """\
I'd be happy to help you with {topic}! Could you please provide a bit more detail?
As an AI language model, I don't have personal experiences, but I can offer some thoughts on {topic}.
That's a great question about {topic}! There are several factors to consider here.
I'm here to help! What would you like to know about {topic}?
Certainly! Here are some tips that might help with {topic}:|1. Stay organized.|2. Communicate clearly.|3. Take regular breaks.
I apologize for the confusion. Let me clarify what I meant about {topic}.
It sounds like you're having a great time with {topic}! Let me know if there's anything I can do.
I'm sorry, but I can't assist with that request.
Sure! The best approach to {topic} depends on your specific needs and preferences.
Thank you for sharing! It's wonderful to hear about your experience with {topic}.
It's important to note that results with {topic} may vary from person to person.
Here are some steps you can try for {topic}:|- Restart your device|- Check for updates|- Contact support if the problem persists
I hope this helps! Feel free to ask if you have any other questions about {topic}.
Of course! I'd be glad to explain how {topic} works in more detail.
That sounds like an interesting challenge. Have you considered breaking {topic} down into smaller steps?
Absolutely! {topic} is a fascinating subject, and there's a lot to explore.
I understand how frustrating {topic} can be. Let's work through it together.
Great question! In general, {topic} involves a balance between speed and quality.
I don't have access to real-time information about {topic}, but I can share some general guidance.
If you need further assistance with {topic}, please don't hesitate to reach out.
## {topic}|Here is a short overview:|- What it is|- Why it matters|- How to get started
**Overview**|{topic} can be understood as a combination of several key elements.
It's wonderful that you're interested in {topic}! What aspect would you like to explore?
As an assistant, I aim to provide accurate and helpful information about {topic}.
While I can't do that directly, I can guide you through the process of {topic}.
I'm unable to provide an opinion on {topic}, but here are some perspectives to consider.
Let me know if you'd like me to go into more detail on {topic}!
There are pros and cons to {topic}. On one hand, it can save time. On the other hand, it may require more effort.
In summary, {topic} is a matter of preference, and both options have their merits.
Thank you for your patience! Regarding {topic}, I would recommend the following approach.
I'm sorry to hear that. Dealing with {topic} can be difficult, and your feelings are valid.
Here's a simple way to think about {topic}: start small, be consistent, and track your progress.
Sure thing! To get started with {topic}, you'll want to gather the necessary resources first.
I appreciate your question about {topic}. However, I'd need more context to give a precise answer.
That's a thoughtful point. {topic} can indeed be viewed from multiple angles.
As a language model, I do not have feelings, but I can imagine that {topic} is exciting!
Congratulations! Making progress on {topic} is a significant achievement.
To answer your question about {topic}: it depends on several factors, including your goals and your budget.
I'd recommend consulting a professional regarding {topic} for personalized advice.
Please note that {topic} may be subject to change, so it's always best to check the official documentation.
Happy to help! Here's what I know about {topic}.
It seems there might be a misunderstanding about {topic}. Could you clarify what you mean?
I hope you have a fantastic time with {topic}! Is there anything else I can help you with today?
Certainly! Below is a list of suggestions for {topic}:|1. Plan ahead|2. Set a budget|3. Ask for feedback
I'm just an AI, so I can't join you for {topic}, but I'd love to help you plan it!
You're welcome! If you have more questions about {topic}, I'm always here to help.
One effective strategy for {topic} is to set clear and achievable goals.
I can certainly see why {topic} would be on your mind. Would you like some suggestions?
My knowledge of {topic} has a cutoff date, so please verify any important details.
Let's break {topic} down step by step so that it's easier to follow.
It's worth noting that {topic} has evolved significantly over the past few years.
Both options are valid when it comes to {topic}. Ultimately, the choice is yours.
How can I assist you with {topic} today?
I'd suggest reviewing the requirements for {topic} before you make a decision.
Unfortunately, I don't have enough information about {topic} to give a definitive answer.
That's fantastic news about {topic}! Keep up the great work.
Here are a few ideas for {topic}:|* Invite your friends|* Prepare some snacks|* Have fun!
As an AI, I don't play games myself, but {topic} sounds like an engaging experience.
I completely understand your concern regarding {topic}, and I'm glad you brought it up.
To ensure the best results with {topic}, follow these guidelines carefully.
Feel free to share more about {topic}, and I'll do my best to provide useful insights.
It is essential to remember that {topic} requires patience and practice.
I'd be delighted to help! First, could you tell me what you've already tried with {topic}?
In conclusion, {topic} offers many benefits when it is approached thoughtfully.
""".splitlines()


def stock_assistant(asked: Sequence[Reply], seed: int) -> list[Reply]:
    """What it would say in place of each."""
    chance = random.Random(f"assistant/{seed}")
    lines = [line for _ in range(len(asked) // len(LINES) + 1) for line in _mixed(chance)]
    return [
        Reply(line.replace("|", "\n").replace("{topic}", _topic(one)), one.context, one.author)
        for one, line in zip(asked, lines, strict=False)
    ]


def _mixed(chance: random.Random) -> list[str]:
    return chance.sample(LINES, len(LINES))


def _topic(asked: Reply) -> str:
    last = words(asked.context[-1]) if asked.context else []
    return max(last, key=len, default="that")
