from flask import Flask, jsonify

app = Flask(__name__)


@app.get("/flask")
def hello():
    return "Hello from Flask!"


@app.get("/flask/users/<int:user_id>")
def user(user_id):
    return jsonify(id=user_id)
