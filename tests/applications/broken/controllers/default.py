def index():
    return "never seen"
